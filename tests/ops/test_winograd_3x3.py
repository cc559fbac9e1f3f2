"""3x3 convolutions in fewer products against `lax`; and that `conv` takes this path where it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops import winograd_3x3
from jaxgen.ops.conv import conv
from jaxgen.ops.conv_geometry import Geometry
from tests.ops import against_lax

SAME = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))


def arrays(shape):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((*shape, 32)), jnp.float32)
    return x, jnp.asarray(rng.standard_normal((3, 3, 32, 40)) / 17, jnp.float32)


@pytest.mark.parametrize("shape", [pytest.param((2, 8, 10), marks=pytest.mark.full), (32, 2, 2), (6, 8, 8)])
def test_equals_lax_up_to_double_backward(shape, monkeypatch):
    if shape[0] == 6:  # in pieces of two and of three images
        monkeypatch.setattr(winograd_3x3, "PIECE_BYTES", 3 * 16 * 64 * 32)
    x, kernel = arrays(shape)

    def operation(x, kernel):
        return conv(x, kernel, padding=1)

    gradients = str(jax.make_jaxpr(lambda *inputs: against_lax.up_to_double_backward(operation, *inputs))(x, kernel))
    assert (" scan[" in gradients) == (shape[0] == 6)
    against_lax.assert_same(operation, x, kernel, 5e-6)


def test_conv_multiplies_sixteen_times_for_thirty_six():
    x, kernel = arrays((2, 8, 8))
    primitives = str(jax.make_jaxpr(lambda x, k: conv(x, k, padding=1))(x, kernel))
    assert "conv_general_dilated" not in primitives
    assert primitives.count(" dot_general[") == 16


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"kernel_size": (4, 4)}, False),
        ({"geometry": SAME._replace(stride=(2, 2))}, False),
        ({"geometry": SAME._replace(pads=((0, 0), (1, 1)))}, False),
        ({"image_shape": (2, 9, 8, 32)}, False),
        ({"image_shape": (1, 8, 8, 32)}, False),
        ({"image_shape": (2, 8, 8, 16)}, False),
        ({"channels": 3}, False),
        ({"dtype": jnp.bfloat16}, False),
    ],
)
def test_where_it_pays(changes, expected):
    case = {"kernel_size": (3, 3), "geometry": SAME, "image_shape": (2, 8, 8, 32), "channels": 32}
    case |= {"dtype": jnp.float32, **changes}
    assert winograd_3x3.pays(**case) == expected
