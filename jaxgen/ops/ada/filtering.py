"""Image-space filtering and corruptions (appendix B.3): four frequency bands, noise, cutout."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops.ada.draw import Draw

# Daubechies' wavelet with two vanishing moments ("sym2"), the low-pass filter.
_SYM2 = np.array([-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025])
# Share of natural images' power in the bands, lowest first.
_POWER = np.array([10, 1, 1, 1]) / 13


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
