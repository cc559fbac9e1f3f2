"""The operations that are compared in float64, each with arrays for it, and their derivatives."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops import ada, ada_geometry, layers, resample
from jaxgen.ops.conv import conv


class Case(NamedTuple):
    """function: of the arrays. arrays: float64. bfloat16: whether training has it in bfloat16, too."""

    name: str
    function: Callable
    arrays: tuple[np.ndarray, ...]
    bfloat16: bool = True


def cases(tiny: bool) -> list[Case]:
    """Every operation with a form of its own for CPUs, and the resampling of StyleGAN2 and ADA.

    Small sizes still have the channels and pixels at which CPUs choose their own forms, and only every third case.
    """
    r = np.random.default_rng(0)
    n, side, c = (4, 8, 32) if tiny else (16, 32, 64)

    def images(channels=c):
        return r.normal(size=(n, side, side, channels))

    def kernel(size, inputs=c, outputs=c):
        return r.normal(size=(size, size, inputs, outputs)) / np.sqrt(size * size * inputs)

    matrices = np.eye(3) + 0.2 * r.normal(size=(n, 3, 3)) * np.array([[1, 1, 5], [1, 1, 5], [0, 0, 0]])
    colours = r.normal(size=(n, 3, 4))
    every = [
        Case("3x3 convolution", partial(conv, padding=1), (images(), kernel(3))),
        Case("3x3 convolution, stride 2", partial(conv, stride=2, padding=1), (images(), kernel(3))),
        Case("4x4 convolution, stride 2", partial(conv, stride=2, padding=1), (images(), kernel(4))),
        Case("3x3 convolution of colours", partial(conv, padding=1), (images(3), kernel(3, 3))),
        Case("4x4 transposed convolution", layers.conv_transpose_4x4, (images(), kernel(4))),
        Case("upsampling, 3x3 convolution", layers.upsample_conv_3x3, (images(), kernel(3))),
        Case("3x3 convolution, pooling", layers.conv_3x3_average_pool, (images(), kernel(3))),
        Case("FIR upsampling", resample.upsample, (images(),)),
        Case("FIR downsampling", resample.downsample, (images(),)),
        Case("FIR upsampling, 3x3 convolution", resample.upsample_conv, (images(), kernel(3))),
        Case("FIR downsampling, 3x3 convolution", resample.downsample_conv, (images(), kernel(3))),
        Case(
            "ADA's geometry", lambda x: ada_geometry.transform(x, jnp.asarray(matrices, x.dtype)), (images(3),), False
        ),
        Case("ADA's colours", ada.transform_colors, (images(3), colours), False),
    ]
    return every[::3] if tiny else every


def with_derivatives(case: Case, dtype: str) -> Callable:
    """A function of arrays: the values, the first derivatives, and a second derivative along a direction.

    The derivatives are those of a weighted mean of squares, so that the second ones of linear operations are not zero.
    """
    wide = jnp.float64 if dtype == "float64" else jnp.float32

    def loss(arrays, weights):
        return jnp.mean(weights * jnp.square(case.function(*arrays).astype(wide)))

    def run(arrays, weights, directions):
        def along(arrays):
            first = jax.grad(loss)(arrays, weights)
            return sum(jnp.vdot(g.astype(wide), v.astype(wide)) for g, v in zip(first, directions, strict=True)), first

        second, first = jax.grad(along, has_aux=True)(arrays)
        return case.function(*arrays), first, second

    return run


def arguments(case: Case, dtype: str) -> tuple:
    """The arrays, weights of the result and directions for `with_derivatives`, the same numbers in every dtype."""
    r = np.random.default_rng(1)
    shape = jax.eval_shape(case.function, *[jax.ShapeDtypeStruct(a.shape, jnp.float32) for a in case.arrays]).shape
    weights = r.uniform(0.5, 1.5, shape)
    directions = tuple(r.normal(size=a.shape) for a in case.arrays)
    # Rounded to what the narrowest type holds: the comparison is of the computation, not of the inputs.
    narrow = [np.asarray(a, jnp.bfloat16) for a in (*case.arrays, weights, *directions)]
    wide = [np.asarray(a, dtype) for a in narrow]
    count = len(case.arrays)
    return tuple(wide[:count]), wide[count], tuple(wide[count + 1 :])
