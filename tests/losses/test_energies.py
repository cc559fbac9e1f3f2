"""Losses of autoencoders as discriminators, against loops in NumPy and values by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.devices.parallel import make_mesh
from jaxgen.losses import energies
from jaxgen.ops.random import DATA_AXIS


def by_loops(codes):
    """The paper's equation 4, in its own form."""
    total, count = 0.0, len(codes)
    for i in range(count):
        for j in range(count):
            if i != j:
                cosine = codes[i] @ codes[j] / np.linalg.norm(codes[i]) / np.linalg.norm(codes[j])
                total += cosine**2
    return total / (count * (count - 1))


def test_pull_away_is_the_mean_squared_cosine_of_two_codes():
    codes = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert np.mean(energies.pull_away(codes)) == pytest.approx(by_loops(codes.astype(float)), rel=1e-5)
    np.testing.assert_allclose(energies.pull_away(np.eye(4, dtype=np.float32)), 0, atol=1e-6)
    # Opposite codes are as alike as equal ones, and the length of a code does not count.
    np.testing.assert_allclose(energies.pull_away(jnp.array([[1.0, 2.0], [-3.0, -6.0]])), 1, rtol=1e-5)
    np.testing.assert_allclose(energies.pull_away(jnp.ones((1, 3))), 0, atol=1e-6)


def test_pull_away_has_a_finite_gradient_at_a_code_of_zeros():
    gradient = jax.grad(lambda codes: jnp.mean(energies.pull_away(codes)))(jnp.array([[0.0, 0.0], [1.0, 2.0]]))
    assert np.isfinite(gradient).all()


def over_devices(loss, x, devices):
    """Value and gradient of the mean of `loss` over devices, as `descend` takes them."""

    @partial(jax.shard_map, mesh=make_mesh(devices), in_specs=P(DATA_AXIS), out_specs=(P(), P(DATA_AXIS)))
    def run(x):
        value, gradient = jax.value_and_grad(loss)(x)
        # Each device differentiates its own examples, and the mean over devices divides by their number.
        return jax.lax.pmean(value, DATA_AXIS), gradient / devices

    return jax.jit(run)(x)


def test_pull_away_does_not_depend_on_the_number_of_devices():
    codes = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    value, gradient = jax.value_and_grad(lambda codes: jnp.mean(energies.pull_away(codes)))(codes)
    shared = over_devices(lambda codes: jnp.mean(energies.pull_away(codes)), codes, 4)
    np.testing.assert_allclose(shared[0], value, rtol=1e-5)
    np.testing.assert_allclose(shared[1], gradient, atol=1e-6)


def test_energies_are_errors_of_whole_images():
    rng = np.random.default_rng(2)
    images, copies = rng.uniform(-1, 1, (2, 5, 4, 4, 3)).astype(np.float32)
    difference = (images - copies).reshape(5, -1)
    np.testing.assert_allclose(energies.euclidean(images, copies), np.linalg.norm(difference, axis=1), rtol=1e-5)
    np.testing.assert_allclose(energies.absolute(images, copies), np.abs(difference).mean(1), rtol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(energies.euclidean(images, x)))(images)  # a perfect copy
    np.testing.assert_array_equal(gradient, 0)


def test_fakes_beyond_the_margin_do_not_count():
    real, fake = jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 10.0, 12.0])
    np.testing.assert_allclose(energies.with_margin(real, fake, 10.0), [1 + 6, 2, 3])
    slope = jax.grad(lambda fake: jnp.sum(energies.with_margin(real, fake, 10.0)))(fake)
    np.testing.assert_allclose(slope[jnp.array([0, 2])], [-1, 0])


@pytest.mark.parametrize(
    ("share", "fake", "expected", "convergence"),
    [
        (0.5, 0.1, 0.5 + 0.01 * (0.5 * 0.4 - 0.1), 0.4 + 0.1),
        (0.5, 0.3, 0.5 - 0.01 * 0.1, 0.4 + 0.1),
        (0.0, 0.3, 0.0, 0.4 + 0.1),
        (0.9999, 0.0, 1.0, 0.4 + 0.2),
        (0.3, 0.2, 0.3, 0.4),  # in balance
    ],
)
def test_began_s_balance_by_hand(share, fake, expected, convergence):
    found = energies.balance(jnp.float32(share), jnp.float32(0.4), jnp.float32(fake), ratio=0.5, rate=0.01)
    np.testing.assert_allclose(found, [expected, convergence], rtol=1e-6)
