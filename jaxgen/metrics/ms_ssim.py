"""Multi-scale structural similarity of pairs (Wang et al. 2003)."""

import functools

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.ssim import TAPS, mean_over_pairs, terms

NEEDS = "reconstruct"
DIRECTION = "higher"
TITLE, UNIT = "MS-SSIM", ""
MEANING = "Structural similarity of a copy to its original over several scales (1: identical)."
SETTINGS = ("data_range", "scales", "weights")
MIN_SAMPLES = 1
EXTRACTOR = None
# Exponents of the five scales, finest first, as Wang et al. fitted them to viewers' judgements.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def scale_weights(image_shape: tuple[int, ...]) -> tuple[float, ...]:
    """Exponents of the scales of images [H, W, C], finest first. They sum to 1.

    Each scale has half the side of the previous scale, rounded up. The last scale is the fifth, or the last that holds
    SSIM's window: five scales from 161 pixels on, three at 64, two at 32. The exponents are the first exponents of Wang
    et al., divided by their sum. Numbers with different counts of scales thus do not compare.
    """
    side, count = min(image_shape[:2]), 0
    while side >= TAPS and count < len(_WEIGHTS):
        side, count = -(-side // 2), count + 1
    return tuple(weight / sum(_WEIGHTS[:count]) for weight in _WEIGHTS[:count])


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """The reason against MS-SSIM for images [H, W, C]: a second scale does not fit, and one scale is SSIM."""
    if len(scale_weights(image_shape)) < 2:
        need = 2 * TAPS - 1
        return f"images of {image_shape[0]}x{image_shape[1]} are smaller than {need}x{need}, the size of two scales"
    return None


def _halved(x: jax.Array) -> jax.Array:
    """Means of 2x2 blocks, [B, ceil(H / 2), ceil(W / 2), C]; an odd last row or column counts twice."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def _base(x: jax.Array, floor: float) -> jax.Array:
    """x, or a number above 0 below `floor`: the curve floor^2 / (2 floor - x) goes on smoothly there. Floor 0: a 0."""
    return jnp.where(x > floor, x, floor**2 / (2 * floor - jnp.minimum(x, floor))) if floor else jnp.maximum(x, 0)


@functools.partial(jax.jit, static_argnames=("data_range", "floor"))
def ms_ssim(a: jax.Array, b: jax.Array, data_range: float, floor: float = 0.0) -> jax.Array:
    """MS-SSIM of each pair, [B], in [0, 1]: Wang et al. 2003, eq. 7, of each channel, then the mean over channels.

    It is the product over scales of the mean contrast-structure term, and of the mean SSIM at the coarsest scale. Each
    factor has the power of its `scale_weights`. A negative mean has no such power and counts as 0, as in TensorFlow and
    torchmetrics (`normalize="relu"`). SSIM's window and constants are those of `metrics.ssim`. `_halved` makes each
    next scale, with Wang's own treatment of odd sides.

    Args:
      a, b: images [B, H, W, C] of any real dtype. Float64 stays float64, and all else becomes float32.
      data_range: largest minus smallest possible value: 255 for uint8, 2 for [-1, 1].
      floor: factors below it stay above 0. A loss needs this, since the power of 0 has no finite slope.

    Raises:
      UserError: images smaller than 21 pixels, which have only one scale.
    """
    if reason := unsuitable(a.shape[1:]):
        raise UserError(f"ms_ssim: {reason}. Use larger images or leave ms_ssim out")
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    a, b = a.astype(dtype) / data_range, b.astype(dtype) / data_range
    *finer, coarsest = scale_weights(a.shape[1:])
    product = 1.0
    for weight in finer:
        _, structure = terms(a, b)
        product *= _base(structure.mean((1, 2)), floor) ** weight
        a, b = _halved(a), _halved(b)
    luminance, structure = terms(a, b)
    product *= _base((luminance * structure).mean((1, 2)), floor) ** coarsest
    return product.mean(-1)


def start(context: Context) -> Collected:
    """An accumulator of the mean MS-SSIM over pairs, which records the scales and their weights."""
    weights = scale_weights(context.image_shape)
    return mean_over_pairs(ms_ssim, scales=len(weights), weights=[round(weight, 6) for weight in weights])
