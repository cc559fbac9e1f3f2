"""Perceptual path length (Karras et al. 2019, section 4.1): how evenly images change along paths between latents.

By LPIPS on VGG16, as published numbers are. `feature_path_length` measures the same paths by the features of another
network.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.collected import Collected, no_number
from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.metrics.extractors.lpips import unsuitable_for

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
    """Why images [H, W, C] have no LPIPS here: too small, neither gray nor RGB, or weights that cannot be had."""
    return unsuitable_for(lpips_vgg.SOURCES, lpips_vgg.MIN_SIDE, image_shape)


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
        if bad := int((~np.isfinite(lengths)).sum()):
            return no_number(f"{bad} of {len(lengths)} paths have no finite length")
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
    """An accumulator over the whole image (no crop to its centre, which StyleGAN's numbers for faces have)."""
    network = lpips_vgg.load()
    return path_lengths(network.distance, context, network=network.name)
