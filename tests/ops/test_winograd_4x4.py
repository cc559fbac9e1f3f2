"""4x4 stride-2 convolutions in fewer products against `lax`; and that `conv` takes this path where it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops import winograd_4x4
from jaxgen.ops.backend import compile_for
from jaxgen.ops.conv import conv

OPTIONS = {"stride 2": {"stride": 2, "padding": 1}, "transposed": {"input_dilation": 2, "padding": 2}}


def arrays(case, n=2):
    shape = (8, 12) if case == "stride 2" else (4, 6)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((n, *shape, 32)), jnp.float32)
    return x, jnp.asarray(rng.standard_normal((4, 4, 32, 40)) / 20, jnp.float32)


@pytest.mark.parametrize("n", [2, 36])  # 36 images do not fit one piece
@pytest.mark.parametrize("case", OPTIONS)
def test_equals_lax_up_to_double_backward(case, n):
    x, kernel = arrays(case, n)

    def run(x, kernel):
        def operation(x, kernel):
            return conv(x, kernel, **OPTIONS[case])

        def slope(x, kernel):
            return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(operation(x, kernel))))(x) ** 2)

        value, pull = jax.vjp(operation, x, kernel)
        return value, *pull(jnp.sin(value)), *jax.grad(slope, (0, 1))(x, kernel)

    actual = jax.jit(run)(x, kernel)
    with compile_for("tpu"):
        expected = jax.jit(lambda x, kernel: run(x, kernel))(x, kernel)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=2e-5 * float(jnp.abs(e).max()))


@pytest.mark.parametrize("case", OPTIONS)
def test_conv_multiplies_nine_times_for_sixteen(case):
    x, kernel = arrays(case)
    primitives = str(jax.make_jaxpr(lambda x, k: conv(x, k, **OPTIONS[case]))(x, kernel))
    assert "conv_general_dilated" not in primitives
    assert primitives.count(" dot_general[") == 9


def test_where_it_pays():
    assert winograd_4x4.pays((2, 8, 8, 32), 32, jnp.float32)
    assert not winograd_4x4.pays((2, 8, 8, 3), 64, jnp.float32)
    assert not winograd_4x4.pays((2, 10, 8, 32), 32, jnp.float32)
    assert not winograd_4x4.pays((2, 8, 8, 32), 32, jnp.bfloat16)
