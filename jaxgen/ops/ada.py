"""The augmentations of adaptive discriminator augmentation (Karras et al. 2020, Training GANs with limited data).

The order is that of the paper (figure 2a and appendix B). First comes geometry (`jaxgen.ops.ada_geometry`), then colour
(B.2: one affine map of the colours of each image). Filtering and corruptions in image space follow (B.3: four frequency
bands, noise, cutout).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops import ada_geometry
from jaxgen.ops.random import Draw

BLIT, GEOMETRY, COLOR, FILTER, NOISE, CUTOUT = "blit", "geometry", "color", "filter", "noise", "cutout"
# As the paper abbreviates them.
CHOICES = {
    "b": (BLIT,),
    "bg": (BLIT, GEOMETRY),
    "bgc": (BLIT, GEOMETRY, COLOR),
    "bgcf": (BLIT, GEOMETRY, COLOR, FILTER),
    "bgcfn": (BLIT, GEOMETRY, COLOR, FILTER, NOISE),
    "bgcfnc": (BLIT, GEOMETRY, COLOR, FILTER, NOISE, CUTOUT),
    "g": (GEOMETRY,),
    "c": (COLOR,),
}
# The axis of luma, along which gray levels lie.
_LUMA = jnp.full((3,), 1 / math.sqrt(3))
# Daubechies' wavelet with two vanishing moments ("sym2"), the low-pass filter.
_SYM2 = np.array([-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025])
# Share of natural images' power in the bands, lowest first.
_POWER = np.array([10, 1, 1, 1]) / 13


def augment(images: jax.Array, key: jax.Array, ids: jax.Array, strength: jax.Array, groups: tuple[str, ...]):
    """Images [N, H, W, C] in [-1, 1], C 1 or 3, each augmentation of `groups` done with probability `strength`.

    Args:
      images: differentiable, to any order.
      key, ids: random numbers belong to the example of that number in the global batch.
      strength: p, a traced scalar in [0, 1]. 0 leaves the images unchanged.
      groups: a value of `CHOICES`.
    """
    draws = {name: Draw(jax.random.fold_in(key, i), ids, strength) for i, name in enumerate(CHOICES["bgcfnc"])}
    _, height, width, channels = images.shape
    matrix = None
    for name, matrices in ((BLIT, ada_geometry.blitting), (GEOMETRY, ada_geometry.general)):
        if name in groups:
            of_group = matrices(draws[name], height, width)
            matrix = of_group if matrix is None else matrix @ of_group
    if matrix is not None:
        images = ada_geometry.transform(images, matrix)
    if COLOR in groups:
        images = transform_colors(images, color_matrix(draws[COLOR], channels))
    for name, change in ((FILTER, filter_bands), (NOISE, add_noise), (CUTOUT, cut_out)):
        if name in groups:
            images = change(images, draws[name])
    return images


def color_matrix(draw: Draw, channels: int) -> jax.Array:
    """[N, 3, 4]: brightness, contrast, inversion of luma, rotation of hue, saturation, one after the other.

    For gray images (one channel) the last two change nothing and are left out.
    """
    brightness = draw.kept(0.2 * draw.normal(), 0.0)
    identity = jnp.broadcast_to(jnp.eye(3), (*brightness.shape, 3, 3))
    shift = jnp.broadcast_to(brightness[:, None], (*brightness.shape, 3))
    contrast = draw.kept(jnp.exp2(0.5 * draw.normal()), 1.0)
    linear = contrast[:, None, None] * identity
    along = jnp.outer(_LUMA, _LUMA)
    flip = draw.kept(jnp.floor(2 * draw.uniform()), 0.0)
    linear = (identity - 2 * along * flip[:, None, None]) @ linear
    if channels == 3:
        angle = draw.kept(math.pi * (2 * draw.uniform() - 1), 0.0)
        linear = _about_luma(angle) @ linear
        saturation = draw.kept(jnp.exp2(draw.normal()), 1.0)
        linear = (along + (identity - along) * saturation[:, None, None]) @ linear
    # Brightness comes first: what follows acts on its shift as well.
    return jnp.concatenate([linear, (linear @ shift[:, :, None])], axis=-1)


def _about_luma(angle: jax.Array) -> jax.Array:
    """Rotations [N, 3, 3] about the luma axis (Rodrigues)."""
    x, y, z = _LUMA
    cross = jnp.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    c, s = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    return c * jnp.eye(3) + s * cross + (1 - c) * jnp.outer(_LUMA, _LUMA)


def transform_colors(images: jax.Array, matrices: jax.Array) -> jax.Array:
    """Applies matrices [N, 3, 4] to images [N, H, W, 3 or 1]. Gray images use the mean of the three rows."""
    if images.shape[-1] == 3:
        y = jnp.einsum("nij,nhwj->nhwi", matrices[:, :, :3], images, precision="highest")
        return y + matrices[:, None, None, :, 3]
    row = matrices.mean(1)
    return images * row[:, :3].sum(1)[:, None, None, None] + row[:, 3][:, None, None, None]


def _bank() -> np.ndarray:
    """Zero-phase filters [4, 43] of the bands up to pi/8, pi/4, pi/2, pi; they sum to the unit impulse."""
    signs = (-1.0) ** np.arange(4)
    low, high = (np.convolve(h, h[::-1]) / 2 for h in (_SYM2, _SYM2 * signs))

    def spread(taps, factor):
        wide = np.zeros((len(taps) - 1) * factor + 1)
        wide[::factor] = taps
        return wide

    bands = [
        np.convolve(np.convolve(low, spread(low, 2)), spread(low, 4)),
        np.convolve(np.convolve(low, spread(low, 2)), spread(high, 4)),
        np.convolve(low, spread(high, 2)),
        high,
    ]
    length = len(bands[0])
    return np.stack([np.pad(band, (length - len(band)) // 2) for band in bands])


BANK = _bank()


def filter_bands(images: jax.Array, draw: Draw) -> jax.Array:
    """Images [N, H, W, C] with each band made stronger or weaker by 2 ** N(0, 1), at equal expected power."""
    gains = jnp.ones((images.shape[0], 4))
    for i in range(4):
        of_band = jnp.ones_like(gains).at[:, i].set(draw.kept(jnp.exp2(draw.normal()), 1.0))
        gains = gains * of_band / jnp.sqrt(jnp.sum(_POWER * of_band**2, axis=1, keepdims=True))
    taps = gains @ jnp.asarray(BANK, gains.dtype)
    for axis in (1, 2):
        images = _filter(images, taps, axis)
    return images


def _filter(images: jax.Array, taps: jax.Array, axis: int) -> jax.Array:
    """Each image with its own taps [N, K] along one axis, mirrored beyond the borders."""
    reach, size = taps.shape[1] // 2, images.shape[axis]
    index = np.arange(-reach, size + reach)
    index = np.abs((index + size - 1) % (2 * (size - 1)) - (size - 1)) if size > 1 else np.zeros_like(index)
    padded = jnp.take(images, index, axis=axis)
    terms = (
        taps[:, k, None, None, None] * jax.lax.slice_in_dim(padded, k, k + size, axis=axis)
        for k in range(taps.shape[1])
    )
    return sum(terms)


def add_noise(images: jax.Array, draw: Draw) -> jax.Array:
    """Images [N, H, W, C] with Gaussian noise whose standard deviation is |N(0, 0.1)|."""
    sigma = draw.kept(jnp.abs(0.1 * draw.normal()), 0.0)
    return images + sigma[:, None, None, None] * draw.normal(*images.shape[1:])


def cut_out(images: jax.Array, draw: Draw) -> jax.Array:
    """Images [N, H, W, C] with a rectangle of half the sides set to 0, its centre anywhere."""
    size = draw.kept(jnp.full(images.shape[:1], 0.5), 0.0)
    centre = draw.uniform(2)
    _, height, width, _ = images.shape
    rows, columns = ((jnp.arange(side) + 0.5) / side for side in (height, width))
    outside_rows = jnp.abs(rows[None] - centre[:, :1]) >= size[:, None] / 2
    outside_columns = jnp.abs(columns[None] - centre[:, 1:]) >= size[:, None] / 2
    return jnp.where((outside_rows[:, :, None] | outside_columns[:, None, :])[..., None], images, 0.0)
