"""Structural similarity of pairs (Wang et al. 2004)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.base import Batch, Context

NEEDS = "reconstruct"
DIRECTION = "higher"
MIN_SAMPLES = 1
EXTRACTOR = None
DATA_RANGE = 255
_TAPS, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03


def unsuitable(image_shape: tuple[int, int, int]) -> str | None:
    """Why images [H, W, C] have no SSIM: the window does not fit."""
    if min(image_shape[:2]) < _TAPS:
        return f"images of {image_shape[0]}x{image_shape[1]} are smaller than SSIM's {_TAPS}x{_TAPS} window"
    return None


def _window(x: jax.Array) -> jax.Array:
    """Gaussian-weighted means over every whole 11x11 window: [B, H, W, C] -> [B, H - 10, W - 10, C]."""
    weights = np.exp(-0.5 * np.square((np.arange(_TAPS) - _TAPS // 2) / _SIGMA))
    weights = (weights / weights.sum()).tolist()
    # Shifted adds: a depthwise convolution says the same and is many times slower on XLA's CPU backend.
    rows = sum(w * x[:, i : x.shape[1] - _TAPS + 1 + i] for i, w in enumerate(weights))
    rows = jax.lax.optimization_barrier(rows)
    return sum(w * rows[:, :, i : x.shape[2] - _TAPS + 1 + i] for i, w in enumerate(weights))


@functools.partial(jax.jit, static_argnames="data_range")
def ssim(a: jax.Array, b: jax.Array, data_range: float) -> jax.Array:
    """Mean SSIM of each pair, [B]: Wang et al. 2004, eq. 13, Gaussian window, whole windows only, channels averaged.

    Equals scikit-image's with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.

    Args:
      a, b: images [B, H, W, C], any real dtype; computed in float32, or float64 if they are.
      data_range: largest minus smallest possible value: 255 for uint8, 2 for [-1, 1].

    Raises:
      UserError: images smaller than the window of 11 pixels.
    """
    if reason := unsuitable(a.shape[1:]):
        raise UserError(f"ssim: {reason}; use larger images or leave ssim out")
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    a, b = a.astype(dtype) / data_range, b.astype(dtype) / data_range
    # Variances come from differences of squares; taking the image's mean off first keeps float32 exact to 1e-6.
    centre = a.mean((1, 2), keepdims=True)
    a, b = a - centre, b - centre
    mean_a, mean_b = _window(a), _window(b)
    variance_a = _window(a * a) - mean_a**2
    variance_b = _window(b * b) - mean_b**2
    covariance = _window(a * b) - mean_a * mean_b
    c1, c2 = _K1**2, _K2**2
    mean_a, mean_b = mean_a + centre, mean_b + centre
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (luminance * structure).mean((1, 2, 3))


class _Mean:
    def __init__(self):
        self._values = []

    def update(self, batch: Batch) -> None:
        self._values.append(batch.host(ssim(batch.real, batch.fake, DATA_RANGE)))

    def result(self) -> dict:
        values = np.concatenate(self._values).astype(np.float64)
        return {
            "value": float(values.mean()),
            "spread": float(values.std()),
            "spread_kind": "standard deviation over images",
            "standard_error": float(values.std() / np.sqrt(len(values))),
            "data_range": DATA_RANGE,
        }


def start(context: Context) -> _Mean:
    """An accumulator of the mean SSIM over pairs."""
    del context
    return _Mean()
