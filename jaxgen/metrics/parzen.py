"""Parzen log-likelihood, in nats: Table 1 of the GAN paper (Goodfellow et al. 2014, Breuleux et al. 2011).

A Gaussian lies on each sample, with pixels in [0, 1]. Its width is fitted to training images. The number is the mean
log-density of real test images. The metric is kept because the paper has it. In hundreds of dimensions it ranks models
poorly, rewards memorising, and grows with the number of samples (Theis et al. 2016).
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import StreamSubset, indices

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "Parzen log-likelihood", "nats per image"
MEANING = (
    "Log-density of test images under Gaussians on the samples, as in the GAN paper. It judges poorly "
    "and rewards memorising."
)
SETTINGS = ("samples", "validation_images", "test_images")
MIN_SAMPLES = 1000
EXTRACTOR = None
USES = ("real.images", "train.images")
# As the paper's code: 10,000 samples, 1,000 validation images, ten widths from 0.1 to 1.
_SAMPLES, _VALIDATION, _TEST = 10_000, 1_000, 10_000
_SIGMAS = np.logspace(-1, 0, 10)
_STEP = _SIGMAS[1] / _SIGMAS[0]
# Below half a grey level a window fits the grid of pixel values; above 10 it has lost the images.
_SIGMA_LIMITS = (0.5 / 255, 10.0)
_MAX_DIMENSIONS = 2**14
_CHUNK = 1000


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """The reason against a Parzen window for images [H, W, C]: all samples are held, and large images say little."""
    if (dimensions := int(np.prod(image_shape))) > _MAX_DIMENSIONS:
        return f"a Parzen window allows at most {_MAX_DIMENSIONS} dimensions, but these images have {dimensions}"
    return None


@jax.jit
def _log_kernels(points, samples, centre, count, sigmas):
    """log sum over the first `count` samples of exp(-|x - y|^2 / (2 sigma^2)): [S, n]."""
    # Squares about a common centre are smaller, and so is the rounding of their difference.
    x, y = (z.astype(jnp.float32) - centre for z in (points, samples))
    cross = jnp.matmul(x, y.T, precision="highest")
    squared = jnp.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * cross, 0)
    squared = jnp.where(jnp.arange(len(y)) < count, squared, jnp.inf)
    return jax.lax.map(lambda sigma: jax.nn.logsumexp(-squared / (2 * sigma**2), axis=1), sigmas)


def _chunks(values: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Pieces of one size, the last one padded with its last row, and how many rows of each count."""
    size = min(_CHUNK, len(values))
    for first in range(0, len(values), size):
        yield values[np.minimum(np.arange(first, first + size), len(values) - 1)], min(size, len(values) - first)


def log_density(points: np.ndarray, samples: np.ndarray, sigmas: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Log-density in nats, float64 [S, n], of a Parzen window at each of n points, for each width.

    log (1 / N) sum_i (2 pi sigma^2)^(-D / 2) exp(-|x - y_i|^2 / (2 sigma^2)), Breuleux et al. 2011.

    Distances are float32 products. Sums over samples are float32 in pieces of 1,000. The error is about
    2e-7 |x|^2 / sigma^2, with x relative to the samples' mean (5e-4 nats on MNIST).

    Args:
      points: [n, D], samples: [N, D], any real type. sigmas: [S], in units of x * scale.
      scale: factor for points and samples, 1 / 255 for uint8 images.
    """
    widths = np.asarray(sigmas, np.float64) / scale
    centre = samples.mean(0, dtype=np.float64).astype(np.float32)
    out = []
    for x, n in _chunks(points):
        total = np.full((len(widths), len(x)), -np.inf)
        for y, count in _chunks(samples):
            part = _log_kernels(x, y, centre, count, widths.astype(np.float32))
            total = np.logaddexp(total, np.asarray(part, np.float64))
        out.append(total[:, :n])
    normaliser = np.log(len(samples)) + samples.shape[1] * np.log(np.asarray(sigmas) * np.sqrt(2 * np.pi))
    return np.concatenate(out, axis=1) - normaliser[:, None]


def choose_sigma(validation: np.ndarray, samples: np.ndarray, scale: float = 1.0) -> tuple[float, float, bool]:
    """The width with the greatest mean log-density of the validation points.

    The grid is the paper's: ten widths from 0.1 to 1. It continues in the same steps while its best width is at an end.

    Returns:
      The width, that mean in nats, and whether the width is still at an end of the sensible range for pixels.
    """
    sigmas = _SIGMAS
    means = log_density(validation, samples, sigmas, scale).mean(1)
    while True:
        best = int(np.argmax(means))
        if best not in (0, len(sigmas) - 1):
            return float(sigmas[best]), float(means[best]), False
        low = best == 0
        more = sigmas[best] * _STEP ** (np.arange(-4, 0) if low else np.arange(1, 5))
        more = more[(more >= _SIGMA_LIMITS[0]) & (more <= _SIGMA_LIMITS[1])]
        if not len(more):
            return float(sigmas[best]), float(means[best]), True
        further = log_density(validation, samples, more, scale).mean(1)
        sigmas = np.concatenate([more, sigmas] if low else [sigmas, more])
        means = np.concatenate([further, means] if low else [means, further])


def start(context: Context) -> StreamSubset:
    """An accumulator of the log-likelihood under 10,000 samples.

    The width is chosen on 1,000 training images. The paper used images that were held back from training. A generator
    that copies training images gets too narrow a window, and a low number.
    """

    def some(images, keep):
        chosen = images[indices(len(images), keep, context.seed)]
        return chosen.reshape(len(chosen), -1)

    def finish(samples: np.ndarray) -> dict:
        samples = samples.reshape(len(samples), -1)
        validation, test = some(context.train.images, _VALIDATION), some(context.real.images, _TEST)
        sigma, validation_mean, edge = choose_sigma(validation, samples, 1 / 255)
        nats = log_density(test, samples, np.array([sigma]), 1 / 255)[0]
        out = {
            "value": float(nats.mean()),
            "spread": float(nats.std() / np.sqrt(len(nats))),
            "spread_kind": "standard error over test images",
            "unit": "nats per image, pixels in [0, 1]",
            "sigma": sigma,
            "sigma_on_edge": edge,
            "validation_value": validation_mean,
            "samples": len(samples),
            "validation_images": len(validation),
            "test_images": len(test),
        }
        if edge:
            cause = "training images are among the samples" if sigma < 1 else "samples are far from all real images"
            out["note"] = f"the best width, {sigma:.4f}, is at the end of the sensible range: {cause}"
        return out

    return StreamSubset(context.n_fake, _SAMPLES, context.seed, finish=finish)
