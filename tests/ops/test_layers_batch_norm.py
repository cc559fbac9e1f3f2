"""Batch normalisation: values, running averages, accuracy, devices and all-reduces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.ops.layers import BatchNorm


def mesh(count):
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])


def on_devices(count, function, specs):
    in_specs, out_specs = specs
    return jax.jit(jax.shard_map(function, mesh=mesh(count), in_specs=in_specs, out_specs=out_specs))


def train(count, variables, x, dtype=jnp.float32):
    """Output, statistics and gradients of sum(sin(y)) with respect to parameters and x."""
    module = BatchNorm(dtype=dtype)

    def run(variables, x):
        def loss(params, x):
            y, stats = module.apply({**variables, "params": params}, x, True, mutable=["batch_stats"])
            total = jax.lax.psum(jnp.sum(jnp.sin(y.astype(jnp.float32))), "data")
            return total, (y, jax.lax.pmean(stats, "data"))

        (_, (y, stats)), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(variables["params"], x)
        return y, stats, *gradients

    return on_devices(count, run, ((P(), P("data")), (P("data"), P(), P(), P("data"))))(variables, x)


@pytest.fixture
def x():
    return jax.random.normal(jax.random.key(0), (16, 4, 4, 6)) * 3 + jnp.arange(6.0)


def start(x):
    variables = BatchNorm(scale_init=nn.initializers.normal(1.0)).init(jax.random.key(1), x, True)
    variables["params"]["bias"] = jnp.linspace(-1, 1, x.shape[-1])
    return variables


@pytest.mark.parametrize("count", [1, 4])
def test_equals_flax_on_the_whole_batch(x, count):
    variables = start(x)
    flax = nn.BatchNorm(False, momentum=0.9, use_fast_variance=False)

    def loss(params, x):
        y, stats = flax.apply({**variables, "params": params}, x, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(y)), (y, stats)

    (_, (y, stats)), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(variables["params"], x)
    for a, e in zip(jax.tree.leaves(train(count, variables, x)), jax.tree.leaves((y, stats, *gradients)), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=2e-4)


def test_evaluation_uses_running_averages(x):
    variables = start(x)
    stats = {"mean": jnp.arange(6.0), "var": jnp.arange(6.0) + 1}
    y = BatchNorm().apply({"params": variables["params"], "batch_stats": stats}, x, False)
    expected = (x - stats["mean"]) / jnp.sqrt(stats["var"] + 1e-5) * variables["params"]["scale"]
    np.testing.assert_allclose(y, expected + variables["params"]["bias"], atol=1e-4)


def test_initialisation_leaves_the_averages_alone(x):
    stats = start(x)["batch_stats"]
    np.testing.assert_array_equal(stats["mean"], 0)
    np.testing.assert_array_equal(stats["var"], 1)


def test_variance_beside_a_large_mean_once_the_running_mean_follows(x):
    variables = start(x)
    shifted = x + 10_000
    variables["batch_stats"]["mean"] = jnp.full(6, 10_000.0)
    y, *_ = train(4, variables, shifted)
    expected, *_ = train(4, start(x), x)
    np.testing.assert_allclose(y, expected, atol=2e-2)  # x + 10,000 itself keeps three decimals


def test_statistics_are_float32_in_bfloat16(x):
    y, stats, *_ = train(4, start(x), x.astype(jnp.bfloat16), jnp.bfloat16)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(stats)} == {jnp.dtype(jnp.float32)}


def test_one_all_reduce_each_way(x):
    variables = start(x)
    module = BatchNorm()

    def forward(params, x):
        return module.apply({**variables, "params": params}, x, True, mutable=["batch_stats"])[0]

    def gradient(params, x):
        params = jax.tree.map(lambda p: jax.lax.pcast(p, "data", to="varying"), params)
        return jax.grad(lambda x: jnp.sum(jnp.sin(forward(params, x))))(x)

    def all_reduces(function):
        run = on_devices(4, function, ((P(), P("data")), P("data")))
        return run.lower(variables["params"], x).compile().as_text().count(" all-reduce(")

    assert all_reduces(forward) == 1
    assert all_reduces(gradient) == 2
