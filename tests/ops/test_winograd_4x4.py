"""4x4 stride-2 convolutions in fewer products against `lax`; and that `conv` takes this path where it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops import winograd_4x4
from jaxgen.ops.conv import conv
from tests.ops import against_lax

OPTIONS = {"stride 2": {"stride": 2, "padding": 1}, "transposed": {"input_dilation": 2, "padding": 2}}


def arrays(case, n=2):
    shape = (8, 12) if case == "stride 2" else (4, 6)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((n, *shape, 32)), jnp.float32)
    return x, jnp.asarray(rng.standard_normal((4, 4, 32, 40)) / 20, jnp.float32)


@pytest.mark.parametrize("n", [pytest.param(2, marks=pytest.mark.full), 36])  # 36 images do not fit one piece
@pytest.mark.parametrize("case", OPTIONS)
def test_equals_lax_up_to_double_backward(case, n):
    x, kernel = arrays(case, n)

    against_lax.assert_same(lambda x, kernel: conv(x, kernel, **OPTIONS[case]), x, kernel, 2e-5)


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
