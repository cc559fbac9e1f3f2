"""Mean MS-SSIM over pairs of samples, beside that of real images. Far above the real value, all samples look alike.

Sources: Odena et al. 2017 (within classes), Fedus et al. 2018, section 5.3, compare_gan (among all images). The number
measures similarity of pixels only, and coarsely. Noise has the lowest value, so neither direction is better. A value
above the real images' may also be blur. CIFAR-10's real images have 0.075. Blurred images (sigma 1 pixel) have 0.108,
five images repeated under noise 0.19, but fifty of them 0.08. Recall and duplicates detect the last case better.
"""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import DATA_RANGE, StreamSubset, indices
from jaxgen.metrics.ms_ssim import ms_ssim, scale_weights
from jaxgen.metrics.ms_ssim import unsuitable as unsuitable

NEEDS = "sample"
DIRECTION = "none"
TITLE, UNIT = "MS-SSIM among samples", ""
MEANING = "How similar samples are to each other. Far above the real images' value it means collapse."
SETTINGS = ("images", "scales", "weights")
MIN_SAMPLES, FEWEST = 100, 2
EXTRACTOR = None
USES = ("real.images",)
_IMAGES = 2000  # of each side
_ROUNDS = 5  # pairs that each image is in
_CHUNK_VALUES = 2**20
# Two draws of real images differ by up to a tenth of their value; so much more than theirs is worth a warning.
_SUSPECT_RATIO = 1.25


def random_pairs(count: int, rounds: int, seed: int) -> np.ndarray:
    """Pairs of different images, int [rounds * (count // 2), 2]. Each round pairs every image once, but an odd one."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(count)[: count // 2 * 2].reshape(-1, 2) for _ in range(rounds)])


def pair_similarities(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """MS-SSIM, float64 [P], of the pairs [P, 2] of images uint8 [N, H, W, C]."""
    size = min(max(_CHUNK_VALUES // int(np.prod(images.shape[1:])), 1), len(pairs))
    values = []
    for first in range(0, len(pairs), size):
        # The last chunk repeats its last pair, so that all chunks are one compiled program.
        left, right = pairs[np.minimum(np.arange(first, first + size), len(pairs) - 1)].T
        values.append(np.asarray(ms_ssim(images[left], images[right], DATA_RANGE), np.float64))
    return np.concatenate(values)[: len(pairs)]


def standard_error(values: np.ndarray, pairs: np.ndarray) -> float:
    """Standard error of the mean of `values` [P] over draws of the images. `pairs` [P, 2] share some images.

    sqrt(sum_p e_p^2 + sum_{p != q that share an image} e_p e_q) / P, where e_p is the deviation from the mean
    (Fafchamps and Gubert 2007). Pairs with a common image are not independent. The second sum is not negative in
    expectation. If chance makes it negative, it counts as 0.
    """
    deviation = values - values.mean()
    squares = np.sum(deviation**2)
    of_image = np.bincount(pairs.ravel(), np.repeat(deviation, 2))
    # Each image's sum holds the square of every pair it is in, so both of a pair's images hold it once.
    shared = np.sum(of_image**2) - 2 * squares
    return float(np.sqrt(squares + max(shared, 0.0)) / len(values))


def _mean_and_error(images: np.ndarray, seed: int) -> tuple[float, float, int]:
    pairs = random_pairs(len(images), _ROUNDS, seed)
    values = pair_similarities(images, pairs)
    return float(values.mean()), standard_error(values, pairs), len(pairs)


def start(context: Context) -> StreamSubset:
    """An accumulator of the mean over 5,000 random pairs of 2,000 samples, each in five pairs, and of real images.

    Fewer images have fewer pairs. `collapse_suspected`: the samples' mean is above the real images' mean by three
    standard errors and by a quarter.
    """

    def finish(samples: np.ndarray) -> dict:
        value, error, pairs = _mean_and_error(samples, context.seed)
        images = context.real.images
        chosen = indices(len(images), _IMAGES, context.seed)
        real, real_error, real_pairs = _mean_and_error(images[chosen], context.seed)
        difference, difference_error = value - real, float(np.hypot(error, real_error))
        suspected = difference > 3 * difference_error and value > _SUSPECT_RATIO * real
        weights = scale_weights(samples.shape[1:])
        out = {
            "value": value,
            "spread": error,
            "spread_kind": "standard error over draws of samples",
            "real_value": real,
            "real_standard_error": real_error,
            "difference": difference,
            "difference_standard_error": difference_error,
            "collapse_suspected": bool(suspected),
            "images": len(samples),
            "pairs": pairs,
            "real_images": len(chosen),
            "real_pairs": real_pairs,
            "scales": len(weights),
            "weights": [round(weight, 6) for weight in weights],
        }
        if suspected:
            out["note"] = f"samples are more similar than real images ({value:.3f}, {real:.3f}): mode collapse, or blur"
        return out

    return StreamSubset(context.n_fake, _IMAGES, context.seed, finish=finish)
