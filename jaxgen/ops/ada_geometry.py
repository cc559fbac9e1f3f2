"""Pixel blitting and general geometric transformations of ADA (appendix B.1): one affine map per image, no aliasing.

Matrices [N, 3, 3] act on columns (x, y, 1) in pixels from the image's centre and lead from the output to the input.
"""

import math

import jax
import jax.numpy as jnp

from jaxgen.ops.random import Draw
from jaxgen.ops.resample import upfirdn, upsample

# Daubechies' least asymmetric wavelet with six vanishing moments ("sym6"), the low-pass filter, brought to sum 1.
_SYM6_TAPS = """
0.015404109327027373 0.0034907120842174702 -0.11799011114819057 -0.048311742585633
0.4910559419267466 0.787641141030194 0.3379294217276218 -0.07263752278646252
-0.021060292512300564 0.04472490177066578 0.0017677118642428036 -0.007800708325034148
"""
_SYM6 = [float(tap) for tap in _SYM6_TAPS.split()]
SYM6 = tuple(tap / sum(_SYM6) for tap in _SYM6)
# The filter's largest tap, where a pixel comes to lie when it is upsampled.
_CENTRE = 5
# Pixels that the way back to the original resolution takes from beyond each border, at that resolution.
_MARGIN = 3


def blitting(draw: Draw, height: int, width: int) -> jax.Array:
    """Mirroring, rotation by multiples of 90 degrees, shifts by whole pixels up to an eighth of the side."""
    mirror = draw.kept(jnp.floor(2 * draw.uniform()), 0.0)
    matrix = scaling(1 - 2 * mirror, jnp.ones_like(mirror))
    quarter = draw.kept(jnp.floor(4 * draw.uniform()), 0.0)
    matrix = matrix @ rotation(math.pi / 2 * quarter)
    shift = draw.kept(0.125 * (2 * draw.uniform(2) - 1), 0.0)
    return matrix @ translation(-jnp.round(shift[:, 0] * width), -jnp.round(shift[:, 1] * height))


def general(draw: Draw, height: int, width: int) -> jax.Array:
    """Isotropic scaling, rotation, anisotropic scaling, rotation, fractional shifts.

    Each of the two rotations has probability 1 - sqrt(1 - p), so that an image is rotated at all with probability p.
    """
    scale = draw.kept(jnp.exp2(0.2 * draw.normal()), 1.0)
    matrix = scaling(1 / scale, 1 / scale)
    rare = 1 - jnp.sqrt(jnp.clip(1 - draw.strength, 0, 1))
    matrix = matrix @ rotation(draw.kept(math.pi * (2 * draw.uniform() - 1), 0.0, rare))
    scale = draw.kept(jnp.exp2(0.2 * draw.normal()), 1.0)
    matrix = matrix @ scaling(1 / scale, scale)
    matrix = matrix @ rotation(draw.kept(math.pi * (2 * draw.uniform() - 1), 0.0, rare))
    shift = draw.kept(0.125 * draw.normal(2), 0.0)
    return matrix @ translation(-shift[:, 0] * width, -shift[:, 1] * height)


def scaling(x: jax.Array, y: jax.Array) -> jax.Array:
    """[N] and [N] -> [N, 3, 3]."""
    return _matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]])


def rotation(angle: jax.Array) -> jax.Array:
    """Radians [N] -> [N, 3, 3]."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return _matrix([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def translation(x: jax.Array, y: jax.Array) -> jax.Array:
    """Pixels [N] and [N] -> [N, 3, 3]."""
    return _matrix([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _matrix(rows) -> jax.Array:
    n = next(entry for row in rows for entry in row if isinstance(entry, jax.Array)).shape[0]
    return jnp.stack([jnp.stack([jnp.broadcast_to(entry, (n,)) for entry in row], -1) for row in rows], -2)


def transform(images: jax.Array, matrices: jax.Array) -> jax.Array:
    """Images [N, H, W, C] whose output pixel (x, y) comes from matrix (x, y), mirrored beyond the borders.

    Images are upsampled by 2 with an orthogonal low-pass filter, sampled bilinearly, and reduced by the filter's
    transpose. The identity matrix returns the image unchanged.
    """
    _, height, width, _ = images.shape
    # One image's width of mirror on every side is as much as reflection gives.
    pads = (0, 0), (height - 1, height - 1), (width - 1, width - 1), (0, 0)
    fine = upsample(jnp.pad(images, pads, mode="reflect"), SYM6)
    # Pixel i lies at 2i - 5 + 5 = 2i of the fine grid, so the image's centre at H - 1 (plus the mirror's 2 (H - 1)).
    offsets = [2 * i - len(SYM6) // 2 + 1 + _CENTRE for i in (height - 1, width - 1)]
    rows, columns = (jnp.arange(2 * (side + 2 * _MARGIN)) - 2 * _MARGIN - (side - 1) for side in (height, width))
    grid = jnp.stack(jnp.broadcast_arrays(columns[None, :], rows[:, None], 2), -1).astype(images.dtype)
    # Shifts are in pixels of the original: the grid's third coordinate is 2 in its own units.
    places = jnp.einsum("nij,hwj->nhwi", matrices[:, :2], grid, precision="highest")
    x, y = places[..., 0] + (width - 1) + offsets[1], places[..., 1] + (height - 1) + offsets[0]
    warped = jax.vmap(_bilinear)(fine, x, y)
    return upfirdn(warped, SYM6[::-1], down=2, padding=(-1, -1))


def _bilinear(image: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Values [H', W', C] of an image [H, W, C] at pixel indices x, y [H', W'], which need not be whole; 0 outside."""
    height, width, _ = image.shape
    left, top = jnp.floor(x), jnp.floor(y)
    total = 0.0
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        weight = (1 - jnp.abs(x - column)) * (1 - jnp.abs(y - row))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        i, j = (jnp.clip(a, 0, b - 1).astype(jnp.int32) for a, b in ((row, height), (column, width)))
        total = total + jnp.where(inside, weight, 0.0)[..., None] * image[i, j]
    return total
