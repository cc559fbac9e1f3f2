"""Gradients become updates in one place: check it against gradients by hand, on one and on four devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.devices.parallel import make_mesh
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Average, Outcome, Player, average_over_devices, descend

X = np.arange(32, dtype=np.float32).reshape(1, 16, 2) / 10
W = np.array([0.3, -0.7], np.float32)


def loss_fn(params, stats, x):
    y = x @ params
    loss = jnp.mean(jnp.square(y - 1))
    return loss, Outcome({"seen": stats["seen"] + jnp.sum(x)}, {"loss": loss}, y, jnp.mean(x, axis=0))


def one_step(devices, parts):
    mesh, tx = make_mesh(devices), optax.sgd(0.1)
    x = X.reshape(parts, 16 // parts, 2)

    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(P(), P(None, DATA_AXIS)),
        out_specs=(P(), Outcome(P(), P(), P(None, DATA_AXIS), P())),
        check_vma=devices > 1,
    )
    def step(player, x):
        return descend(loss_fn, player, tx, x)

    return jax.jit(step)(Player.create(jnp.array(W), {"seen": jnp.zeros(())}, tx), x)


@pytest.mark.parametrize(("devices", "parts"), [(1, 1), (1, 4), (4, 1), (4, 2)])
def test_one_step_equals_the_gradient_of_the_mean_over_everything(devices, parts):
    player, outcome = one_step(devices, parts)
    x = X.reshape(16, 2)
    residual = x @ W - 1
    gradient = 2 * residual @ x / 16
    np.testing.assert_allclose(player.params, W - 0.1 * gradient, rtol=1e-5)
    assert float(outcome.metrics["loss"]) == pytest.approx(np.mean(residual**2), rel=1e-5)
    assert float(outcome.metrics["grad_norm"]) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    np.testing.assert_allclose(outcome.outputs.reshape(16), x @ W, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(outcome.averages, x.mean(0), rtol=1e-5)
    # Statistics that differ between devices come back as their mean.
    assert float(player.stats["seen"]) == pytest.approx(x.sum() / devices, rel=1e-5)


def test_average_over_devices_leaves_equal_leaves_alone_and_keeps_types():
    mesh = make_mesh(4)

    @partial(jax.shard_map, mesh=mesh, in_specs=(P(DATA_AXIS), P()), out_specs=P())
    def mean(x, same):
        return average_over_devices({"x": x.sum(), "h": x.astype(jnp.bfloat16).sum(), "same": same})

    result = jax.jit(mean)(jnp.arange(8.0), jnp.float32(5))
    assert float(result["x"]) == 7.0
    assert result["h"].dtype == jnp.bfloat16
    assert float(result["same"]) == 5.0


def test_moving_average_formula_and_early_steps():
    ema = Average({"w": jnp.float32(0)}, {})
    late = ema.toward({"w": jnp.float32(1)}, 0.9, jnp.int32(10_000))
    assert float(late.params["w"]) == pytest.approx(0.1)
    early = ema.toward({"w": jnp.float32(1)}, 0.9, jnp.int32(0))
    assert float(early.params["w"]) == pytest.approx(0.9)


@pytest.mark.parametrize(("step", "moves"), [(0, True), (255, True), (256, True), (257, False), (264, True)])
def test_statistics_of_the_average_are_refreshed_now_and_then(step, moves):
    ema = Average({}, {"mean": jnp.float32(1)})
    after = ema.refresh(lambda params, stats: {"mean": stats["mean"] + 1}, jnp.int32(step))
    assert float(after.stats["mean"]) == (2 if moves else 1)
