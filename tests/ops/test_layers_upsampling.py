"""The fused convolutions against the plain compositions they replace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgen.ops.backend import compile_for
from jaxgen.ops.layers import conv_3x3_average_pool, conv_transpose_4x4, upsample_conv_3x3

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def upsample(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def conv3(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=DIMENSIONS)


def pool(x):
    return x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4))


PAIRS = {
    "transposed": (4, conv_transpose_4x4, lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME")),
    "upsample": (3, upsample_conv_3x3, lambda x, k: conv3(upsample(x), k)),
    "pool": (3, conv_3x3_average_pool, lambda x, k: pool(conv3(x, k))),
}


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize(
    ("channels", "shape"),
    [((20, 3), (6, 4)), *(pytest.param(*x, marks=pytest.mark.full) for x in (((3, 20), (2, 2)), ((32, 34), (8, 8))))],
)
@pytest.mark.parametrize("name", PAIRS)
def test_equals_the_composition(name, shape, channels, platform):
    size, fused, plain = PAIRS[name]
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, *shape, channels[0])), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((size, size, *channels)), jnp.float32)

    def run(operation):
        value, pull = jax.vjp(operation, x, kernel)

        def penalty(x, kernel):
            return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(operation(x, kernel) / 8)))(x) ** 2)

        return value, *pull(jnp.sin(value)), *jax.grad(penalty, (0, 1))(x, kernel)

    with compile_for(platform):
        actual = jax.jit(lambda: run(fused))()
    for a, e in zip(actual, jax.jit(lambda: run(plain))(), strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=3e-5 * float(jnp.abs(e).max()))


@pytest.mark.parametrize("shape", [(5, 7), (1, 3)])
def test_odd_sizes(shape):
    x = jax.random.normal(jax.random.key(0), (2, *shape, 3))
    for name in ("transposed", "upsample"):
        size, fused, plain = PAIRS[name]
        kernel = jax.random.normal(jax.random.key(1), (size, size, 3, 4))
        np.testing.assert_allclose(fused(x, kernel), plain(x, kernel), atol=2e-5)
