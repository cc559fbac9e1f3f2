"""Minibatch standard deviation: strided groups in NumPy, small batches, precision, the same on 1, 2 and 4 devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxgen.models.stylegan2.discriminator import minibatch_stddev
from jaxgen.ops.random import example_ids
from tests.helpers.devices import gathered

X = jax.random.normal(jax.random.key(0), (8, 4, 4, 6))


def by_hand(x, group, features=1):
    n, height, width, channels = x.shape
    out = np.zeros((n, height, width, features))
    strides = n // group
    for first in range(strides):
        members = np.asarray(x[first::strides], np.float64)
        std = np.sqrt(members.var(0) + 1e-8)
        for f in range(features):
            share = channels // features
            out[first::strides, ..., f] = std[..., f * share : (f + 1) * share].mean()
    return np.concatenate([np.asarray(x), out], -1)


@pytest.mark.parametrize(("group", "features"), [(2, 1), (4, 1), (4, 2), (8, 3), (1, 1)])
def test_groups_are_strided(group, features):
    np.testing.assert_allclose(minibatch_stddev(X, group, features), by_hand(X, group, features), rtol=1e-5, atol=1e-6)


def test_a_smaller_batch_is_one_group():
    np.testing.assert_allclose(minibatch_stddev(X[:3], 32), by_hand(X[:3], 3), rtol=1e-5)


def test_half_precision_computes_in_float32():
    # Squares of differences of 1e-3 vanish in float16.
    x = (1 + 1e-3 * X).astype(jnp.float16)
    y = minibatch_stddev(x, 4)
    assert y.dtype == jnp.float16
    np.testing.assert_allclose(y.astype(jnp.float32), by_hand(x.astype(jnp.float32), 4), rtol=2e-3)


def test_groups_that_do_not_divide():
    with pytest.raises(ValueError, match="groups of 4 do not divide a batch of 6"):
        minibatch_stddev(X[:6], 4)


@pytest.mark.parametrize(
    ("devices", "group", "collective"),
    [
        (2, 2, None),
        (4, 2, None),
        (2, 8, "ppermute"),
        (4, 4, "ppermute"),
        (4, 8, "ppermute"),
        (2, 4, "all_gather"),
    ],
)
def test_groups_and_gradients_are_the_same_on_any_number_of_devices(devices, group, collective):
    """Groups that lie on one device, on those that have the rest of them, and on all."""
    n = 12 if collective == "all_gather" else 8
    images = jnp.tile(X, (2, 1, 1, 1))[:n] * jnp.linspace(1, 2, n)[:, None, None, None]
    mesh = Mesh(np.array(jax.devices()[:devices]), ("data",))
    weights = jax.random.normal(jax.random.key(1), (n, 4, 4, 7))

    def loss(x, weights, axis_name):
        return jnp.sum(weights * minibatch_stddev(x, group, axis_name=axis_name) ** 2)

    def run():
        ids = example_ids(n // devices)
        x = images[ids]
        return ids, minibatch_stddev(x, group, axis_name="data"), jax.grad(loss)(x, weights[ids], "data")

    spread = jax.shard_map(run, mesh=mesh, in_specs=(), out_specs=P("data"))
    used = str(jax.make_jaxpr(spread)())
    assert [name for name in ("ppermute", "all_gather") if name in used] == [collective] * (collective is not None)
    ids, y, gradient = jax.jit(spread)()
    assert sorted(ids.tolist()) == list(range(n))
    np.testing.assert_allclose(gathered(y, devices), by_hand(images, group), rtol=1e-5, atol=1e-6)
    expected = jax.jit(jax.grad(lambda x: loss(x, weights, None)))(images)
    np.testing.assert_allclose(gathered(gradient, devices), expected, rtol=1e-4, atol=1e-5)
