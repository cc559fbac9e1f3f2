"""Structural similarity of pairs (Wang et al. 2004)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import DATA_RANGE, Collected, Similarity, mean_and_deviation, of_pairs

NEEDS = "reconstruct"
DIRECTION = "higher"
TITLE, UNIT = "SSIM", ""
MEANING = "Structural similarity of a copy to its original (1: identical)."
SETTINGS = ("data_range",)
MIN_SAMPLES = 1
EXTRACTOR = None
TAPS = 11
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def unsuitable(image_shape: tuple[int, int, int]) -> str | None:
    """The reason against SSIM for images [H, W, C]: the window does not fit."""
    if min(image_shape[:2]) < TAPS:
        return f"images of {image_shape[0]}x{image_shape[1]} are smaller than SSIM's {TAPS}x{TAPS} window"
    return None


def _window(x: jax.Array) -> jax.Array:
    """Gaussian-weighted means over every whole 11x11 window: [B, H, W, C] -> [B, H - 10, W - 10, C]."""
    weights = np.exp(-0.5 * np.square((np.arange(TAPS) - TAPS // 2) / _SIGMA))
    weights = (weights / weights.sum()).tolist()
    # Shifted adds: a depthwise convolution says the same and is many times slower on XLA's CPU backend.
    rows = sum(w * x[:, i : x.shape[1] - TAPS + 1 + i] for i, w in enumerate(weights))
    rows = jax.lax.optimization_barrier(rows)
    return sum(w * rows[:, :, i : x.shape[2] - TAPS + 1 + i] for i, w in enumerate(weights))


def terms(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Luminance and contrast-structure maps, [B, H - 10, W - 10, C] each. Their product is the SSIM map.

    Args:
      a, b: float images [B, H, W, C] with data range 1.
    """
    # Variances come from differences of squares; taking the image's mean off first keeps float32 exact to 1e-6.
    centre = a.mean((1, 2), keepdims=True)
    a, b = a - centre, b - centre
    # All five as channels of one array: five windows of their own ran and compiled three times slower on CPU.
    means = _window(jnp.concatenate([a, b, a * a, b * b, a * b], axis=-1))
    mean_a, mean_b, square_a, square_b, product = jnp.split(means, 5, axis=-1)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    c1, c2 = _K1**2, _K2**2
    mean_a, mean_b = mean_a + centre, mean_b + centre
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * covariance + c2) / (variance_a + variance_b + c2)


@functools.partial(jax.jit, static_argnames="data_range")
def ssim(a: jax.Array, b: jax.Array, data_range: float) -> jax.Array:
    """Mean SSIM of each pair, [B]: Wang et al. 2004, eq. 13, Gaussian window, whole windows only, channels averaged.

    It equals scikit-image's SSIM with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.

    Args:
      a, b: images [B, H, W, C] of any real dtype. Float64 stays float64, and all else becomes float32.
      data_range: largest minus smallest possible value: 255 for uint8, 2 for [-1, 1].

    Raises:
      UserError: images smaller than the window of 11 pixels.
    """
    if reason := unsuitable(a.shape[1:]):
        raise UserError(f"ssim: {reason}. Use larger images or leave ssim out")
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    luminance, structure = terms(a.astype(dtype) / data_range, b.astype(dtype) / data_range)
    return (luminance * structure).mean((1, 2, 3))


def mean_over_pairs(similarity: Similarity, **facts) -> Collected:
    """An accumulator of the mean of a similarity of pairs, with further facts for its record."""
    return of_pairs(similarity, lambda values: {**mean_and_deviation(values), "data_range": DATA_RANGE, **facts})


def start(context: Context) -> Collected:
    """An accumulator of the mean SSIM over pairs."""
    return mean_over_pairs(ssim)
