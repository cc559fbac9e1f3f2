"""Perceptual path length (Karras et al. 2019, section 4.1): how evenly images change along paths between latents.

It uses LPIPS on VGG16, like published numbers. If those weights are missing, `feature_path_length` measures the same
paths by the features of another network.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.extractors import lpips_vgg

NEEDS = "path"
DIRECTION = "lower"
TITLE, UNIT = "perceptual path length", ""
MEANING = "How unevenly images change along a path between latents, as LPIPS sees it. Small is smooth."
SETTINGS = ("epsilon", "percentiles")
MIN_SAMPLES = 1000
EXTRACTOR = None
EPSILON = 1e-4
_SIDE = 256
_PERCENTILES = (1, 99)
_RESAMPLES = 200


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """The reason against LPIPS for images [H, W, C]: too small, neither grey nor RGB, or missing weights."""
    if min(image_shape[:2]) < lpips_vgg.MIN_SIDE:
        return f"images of {image_shape[0]}x{image_shape[1]} are smaller than {lpips_vgg.MIN_SIDE}, LPIPS's least side"
    if image_shape[2] not in (1, 3):
        return f"images of {image_shape[2]} channels are neither grey nor RGB"
    return lpips_vgg.missing()


def shrunk(images: jax.Array) -> jax.Array:
    """Images [B, H, W, C] of 512 pixels or more, as block means of 256 to 511 pixels. Smaller images stay as is."""
    factor = min(images.shape[1:3]) // _SIDE
    if factor < 2:
        return images
    b, h, w, c = images.shape
    h, w = h // factor, w // factor
    return images[:, : h * factor, : w * factor].reshape(b, h, factor, w, factor, c).mean((2, 4))


def filtered_mean(lengths: np.ndarray) -> float:
    """Mean of the lengths from their 1st to their 99th percentile, both included, as in StyleGAN and its successors.

    The lower percentile is rounded down to an existing length, and the upper percentile up.
    """
    low = np.percentile(lengths, _PERCENTILES[0], method="lower")
    high = np.percentile(lengths, _PERCENTILES[1], method="higher")
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())


def path_lengths(measure: Callable, context: Context, **facts) -> Collected:
    """An accumulator of the mean length of paths: distance of neighbouring images / epsilon^2.

    Args:
      measure: float32 images in [-1, 1], twice [B, H, W, C] -> squared distances [B].
      context: its seed, and facts about the paths in `info["path"]`, such as {"space": "z"}.
      facts: further facts for the record.
    """

    def rows_of(batch: OutputBatch) -> np.ndarray:
        a, b = batch.output
        if not jnp.issubdtype(a.dtype, jnp.floating):
            raise ValueError(f"the view 'path' gave {a.dtype} images. Whole grey levels would hide steps of {EPSILON}")
        return np.asarray(batch.host(measure(shrunk(a), shrunk(b))), np.float64) / EPSILON**2

    def finish(lengths: np.ndarray) -> dict:
        rng = np.random.default_rng(context.seed)
        draws = [filtered_mean(rng.choice(lengths, len(lengths))) for _ in range(_RESAMPLES)]
        return {
            "value": filtered_mean(lengths),
            "spread": float(np.std(draws)),
            "spread_kind": "bootstrap standard deviation over paths",
            "epsilon": EPSILON,
            "percentiles": list(_PERCENTILES),
            "unfiltered": float(lengths.mean()),
            **context.info.get("path", {}),
            **facts,
        }

    return Collected(rows_of, finish)


def start(context: Context) -> Collected:
    """An accumulator over whole images. StyleGAN's numbers for faces use a crop of the centre instead."""
    params = lpips_vgg.load()
    return path_lengths(lambda a, b: lpips_vgg.distance(params, a, b), context, network=lpips_vgg.NETWORK)
