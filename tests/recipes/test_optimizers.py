"""Optimisers take the steps that their papers say."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.errors import UserError
from jaxgen.recipes import optimizers
from jaxgen.settings.default import optimizer


def steps_of(config, gradients, steps=100):
    tx = optimizers.optimizer_of(config, steps, "config.optimizers.g")
    w = jnp.zeros(2)
    state, path = tx.init(w), []
    for g in gradients:
        updates, state = tx.update(jnp.asarray(g), state, w)
        w = optax.apply_updates(w, updates)
        path.append(np.asarray(w))
    return np.array(path)


GRADIENTS = np.array([[1.0, -2.0], [0.5, 0.1], [-0.3, 4.0]])


def test_adam_by_hand():
    path = steps_of(optimizer(learning_rate=0.1, b1=0.5, b2=0.9, eps=1e-8), GRADIENTS)
    w, m, v = np.zeros(2), np.zeros(2), np.zeros(2)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-8)
        np.testing.assert_allclose(path[t - 1], w, rtol=1e-5)


def test_rmsprop_has_eps_outside_the_root():
    path = steps_of(optimizer(name="rmsprop", learning_rate=0.1, b1=0.0, b2=0.99, eps=0.5), GRADIENTS)
    w, v = np.zeros(2), np.zeros(2)
    for t, g in enumerate(GRADIENTS):
        v = 0.99 * v + 0.01 * g**2
        w = w - 0.1 * g / (np.sqrt(v) + 0.5)
        np.testing.assert_allclose(path[t], w, rtol=1e-5)


def test_sgd_with_and_without_momentum():
    plain = steps_of(optimizer(name="sgd", learning_rate=1.0, b1=0.0), GRADIENTS)
    np.testing.assert_allclose(plain[-1], -GRADIENTS.sum(0), rtol=1e-6)
    heavy = steps_of(optimizer(name="sgd", learning_rate=1.0, b1=0.9), GRADIENTS)
    np.testing.assert_allclose(heavy[1], -(1.9 * GRADIENTS[0] + GRADIENTS[1]), rtol=1e-6)


def test_clipping_bounds_the_global_norm():
    path = steps_of(optimizer(name="sgd", learning_rate=1.0, b1=0.0, clip_norm=0.5), [[30.0, 40.0]])
    np.testing.assert_allclose(path[0], [-0.3, -0.4], rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0, {0: 1.0, 99: 1.0}),
        ("linear", 0, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("cosine", 0, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("constant", 10, {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        ("linear", 20, {10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0}),
    ],
)
def test_schedules(schedule, warmup, expected):
    rate = optimizers.schedule(optimizer(learning_rate=1.0, schedule=schedule, warmup_steps=warmup), 100, "")
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "adm"}, "config.optimizers.g.name='adm' is unknown: did you mean 'adam'"),
        ({"schedule": "linar"}, "did you mean 'linear'"),
        ({"warmup_steps": 100}, "leaves nothing of 100 updates"),
        ({"weight_decay": 0.1}, "use name='adamw'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        optimizers.optimizer_of(optimizer(**changes), 100, "config.optimizers.g")
