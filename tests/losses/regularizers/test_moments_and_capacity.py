"""DIP-VAE's matrices against NumPy, and the capacity of the KL."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.losses.regularizers import Codes, capacity, dip, dip_i, dip_ii, regularizer_of
from jaxgen.settings import default

KEY = jax.random.key(0)


def penalty_of(module, **changes):
    settings = default.get_config().recipe
    settings.update(changes)
    return module.build(settings, 0)


def codes(count=40, size=3):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + 5
    log_variance = rng.normal(size=(count, size)) - 1
    return Codes(*(jnp.asarray(x, jnp.float32) for x in (mean, mean, log_variance, 0 * mean)))


def distance(matrix, off, own):
    """Equations 6 and 7, entry by entry."""
    total = 0.0
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            total += own * (value - 1) ** 2 if i == j else off * value**2
    return total


def test_the_covariance_is_that_over_the_images():
    mean = codes().mean
    np.testing.assert_allclose(dip.covariance(mean), np.cov(np.asarray(mean), rowvar=False, bias=True), rtol=1e-4)


def test_dip_i_is_the_distance_of_the_means_covariance_to_the_identity():
    batch = codes()
    matrix = np.cov(np.asarray(batch.mean), rowvar=False, bias=True)
    nats, _ = penalty_of(dip_i, regularizer_weight=2.0, dip_diagonal=10.0)(batch, KEY, 0)
    assert float(nats) == pytest.approx(distance(matrix, 2, 20), rel=1e-4)
    # Means with the identity as their covariance cost nothing.
    whitened = np.linalg.solve(np.linalg.cholesky(matrix), np.asarray(batch.mean - batch.mean.mean(0)).T).T
    nats, _ = penalty_of(dip_i)(batch._replace(mean=jnp.asarray(whitened, jnp.float32)), KEY, 0)
    assert float(nats) == pytest.approx(0, abs=1e-3)


def test_dip_ii_takes_the_covariance_of_the_latents():
    batch = codes(count=10)
    noise = np.random.default_rng(1).normal(size=(40_000, *batch.mean.shape))
    draws = np.asarray(batch.mean) + np.exp(0.5 * np.asarray(batch.log_variance)) * noise
    matrix = np.cov(draws.reshape(-1, 3), rowvar=False)
    nats, _ = penalty_of(dip_ii, regularizer_weight=3.0, dip_diagonal=1.0)(batch, KEY, 0)
    assert float(nats) == pytest.approx(distance(matrix, 3, 3), rel=0.02)
    assert float(nats) != pytest.approx(
        float(penalty_of(dip_i, regularizer_weight=3.0, dip_diagonal=1.0)(batch, KEY, 0)[0]), rel=0.05
    )


def test_the_capacity_rises_and_the_kl_is_drawn_to_it_from_both_sides():
    kl = jnp.array([[1.0, 2.0], [3.0, 0.0]])  # 3 nats for each image
    batch = Codes(kl, kl, kl, kl)
    penalty = penalty_of(capacity, regularizer_weight=10.0, capacity=8.0, capacity_steps=100)
    for step, present in ((0, 0.0), (25, 2.0), (100, 8.0), (900, 8.0)):
        nats, logged = penalty(batch, KEY, jnp.int32(step))
        assert float(logged["capacity"]) == pytest.approx(present)
        assert float(nats) == pytest.approx(10 * abs(3 - present))
        slope = jax.grad(lambda kl, step=step: penalty(batch._replace(kl=kl), KEY, jnp.int32(step))[0])(kl)
        np.testing.assert_allclose(slope, 5.0 if present < 3 else -5.0)


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (dip_i, {"regularizer_weight": -1.0}, "regularizer_weight=-1"),
        (dip_ii, {"dip_diagonal": -1.0}, "dip_diagonal=-1"),
        (capacity, {"capacity": -1.0}, "capacity=-1"),
        (capacity, {"capacity_steps": 0}, "capacity_steps=0"),
    ],
)
def test_impossible_settings_are_refused(module, changes, message):
    with pytest.raises(UserError, match=message):
        penalty_of(module, **changes)


def test_a_regulariser_is_found_by_its_name():
    settings = default.get_config().recipe
    assert regularizer_of(settings, 0) is None
    settings.regularizer = "dip_iii"
    with pytest.raises(UserError, match=r"config.recipe.regularizer='dip_iii' is unknown: did you mean 'dip_ii'"):
        regularizer_of(settings, 0)
    settings.regularizer = "capacity"
    assert regularizer_of(settings, 0).replaces_kl
    settings.regularizer = "dip_i"
    assert not regularizer_of(settings, 0).replaces_kl
