"""3x3 stride-2 convolutions in fewer products against `lax`; and that `conv` takes this path where it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops import winograd_3x3
from jaxgen.ops.conv import conv
from jaxgen.ops.conv_geometry import Geometry
from tests.ops import against_lax

HALVES = Geometry((2, 2), ((1, 1), (1, 1)), (1, 1))


def arrays(shape):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((*shape, 32)), jnp.float32)
    return x, jnp.asarray(rng.standard_normal((3, 3, 32, 40)) / 17, jnp.float32)


# Odd and even sizes, with and without a border, padding that crops on one side; the last one in pieces.
CASES = [
    ((4, 8, 12), 1),
    ((4, 9, 17), 0),
    ((4, 10, 9), 0),
    ((4, 8, 8), ((0, 1), (2, -1))),
    ((32, 16, 16), 1),
]


@pytest.mark.parametrize(
    ("shape", "padding"), [*(pytest.param(*x, marks=pytest.mark.full) for x in CASES[:4]), CASES[4]]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_equals_lax_up_to_double_backward(shape, padding, transposed, monkeypatch):
    monkeypatch.setattr(winograd_3x3, "MIN_PIXELS_OF_GRADIENT_STRIDE_2", 64)
    x, kernel = arrays(shape)

    def operation(x, kernel):
        return conv(x, kernel, stride=2, padding=padding)

    if transposed:
        x = operation(x, kernel)

        def operation(g, kernel, shape=(*shape, 32)):
            return jax.vjp(lambda x: conv(x, kernel, stride=2, padding=padding), jnp.zeros(shape))[1](g)[0]

    against_lax.assert_same(operation, x, kernel, 5e-6)


def test_conv_multiplies_twenty_five_times_for_thirty_six():
    x, kernel = arrays((4, 8, 12))
    primitives = str(jax.make_jaxpr(lambda x, k: conv(x, k, stride=2, padding=1))(x, kernel))
    assert "conv_general_dilated" not in primitives
    assert primitives.count(" dot_general[") == 25


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"kernel_size": (4, 4)}, False),
        ({"geometry": HALVES._replace(stride=(1, 1))}, False),
        ({"geometry": HALVES._replace(input_dilation=(2, 2))}, False),
        ({"output_shape": (4, 5, 4, 32)}, False),
        ({"output_shape": (3, 4, 4, 32)}, False),
        ({"output_shape": (4, 4, 4, 3)}, False),
        ({"image_shape": (4, 8, 8, 16)}, False),
        ({"dtype": jnp.bfloat16}, False),
    ],
)
def test_where_it_pays(changes, expected):
    case = {"kernel_size": (3, 3), "geometry": HALVES, "image_shape": (4, 8, 8, 32), "output_shape": (4, 4, 4, 32)}
    case |= {"dtype": jnp.float32, "min_pixels": 64, **changes}
    assert winograd_3x3.pays_stride_2(**case) == expected
