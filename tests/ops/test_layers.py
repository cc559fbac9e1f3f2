"""Layers: parameters, shapes, and dropout that does not know how many devices there are."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.ops.layers import ChannelDropout, Conv, ConvTranspose, UpsampleConv
from tests.helpers.devices import gathered

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("layer", "kernel", "side"),
    [
        (Conv(5), (3, 3, 3, 5), 8),
        (Conv(5, kernel_size=4, stride=2, padding=1), (4, 4, 3, 5), 4),
        (Conv(5, kernel_size=8, padding="VALID"), (8, 8, 3, 5), 1),
        (ConvTranspose(5), (4, 4, 3, 5), 16),
        (UpsampleConv(5), (3, 3, 3, 5), 16),
    ],
)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shapes(layer, kernel, side, dtype):
    y, variables = layer.clone(dtype=dtype).init_with_output(KEY, jnp.ones((2, 8, 8, 3)))
    assert jax.tree.map(jnp.shape, variables) == {"params": {"kernel": kernel, "bias": (5,)}}
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    assert y.shape == (2, side, side, 5)
    assert y.dtype == dtype


def test_initialisers_and_bias():
    layer = Conv(4, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.constant(0.5))
    np.testing.assert_array_equal(layer.init_with_output(KEY, jnp.ones((1, 4, 4, 2)))[0], 0.5)
    assert set(Conv(4, use_bias=False).init(KEY, jnp.ones((1, 4, 4, 2)))["params"]) == {"kernel"}


def dropped(count, rate=0.25, shape=(8, 2, 2, 64)):
    mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])

    def run(x):
        return ChannelDropout(rate).apply({}, x, True, rngs={"dropout": KEY})

    y = jax.shard_map(run, mesh=mesh, in_specs=P("data"), out_specs=P("data"))(jnp.ones(shape))
    return gathered(np.asarray(y), count)


def test_dropout_is_the_same_on_any_number_of_devices():
    one = dropped(1)
    np.testing.assert_array_equal(one, dropped(4))
    assert not np.array_equal(one[0], one[4])  # examples differ


def test_dropout_takes_whole_channels_and_keeps_the_mean():
    y = dropped(4, shape=(64, 2, 2, 64))
    assert (y == y[:, :1, :1]).all()
    values = np.unique(y)
    np.testing.assert_allclose(values, [0, 1 / 0.75], rtol=1e-6)
    assert abs(y.mean() - 1) < 0.05


def test_dropout_is_the_identity_in_evaluation():
    x = jnp.ones((2, 2, 2, 3))
    assert ChannelDropout(0.5).apply({}, x, False) is x
