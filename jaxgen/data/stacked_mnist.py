"""Stacked MNIST: three digits of MNIST as the red, green and blue of one image, so that there are 1,000 modes.

The set comes from Metz et al. 2017 (unrolled GANs) and Srivastava et al. 2017 (VEEGAN). Digits are drawn with
replacement, by the seed, from the same split of MNIST.
"""

import ml_collections
import numpy as np

from jaxgen.data import idx
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

_LISTING = "url_checksums/mnist.txt"
_DIGITS = tuple("0123456789")
# Each split draws from a stream of its own. The test split has a tenth of the training split's images.
_SEEDS = {"train": 0, "test": 1}
_TEST_SHARE = 10
# What is known without the files, for --mode=plan. The count is that of the usual `data.num_points`.
EXAMPLES = {"side": 28, "channels": 3, "classes": 1_000, "train": 100_000, "test": 10_000}


def load(config) -> Dataset:
    """Images uint8 [N, 28, 28, 3] in splits "train" (`config.num_points` images) and "test".

    Labels are 0 to 999: the hundreds digit is red, the tens digit is green, and the units digit is blue.

    Raises:
      UserError: too few images for a test split, a negative seed, or missing files of MNIST.
    """
    if config.num_points < _TEST_SHARE:
        raise UserError(f"data.num_points={config.num_points}: it must be at least {_TEST_SHARE}")
    if config.seed < 0:
        raise UserError(f"data.seed={config.seed}: it must be 0 or more")
    wanted = wanted_splits(config, _SEEDS)
    single = ml_collections.ConfigDict(config)
    single.name = "mnist"  # whose folder of downloads has the files
    digits = idx.dataset(single, _LISTING, _DIGITS)
    counts = {"train": config.num_points, "test": config.num_points // _TEST_SHARE}
    splits = {name: stacked(digits.splits[name], counts[name], (config.seed, _SEEDS[name])) for name in wanted}
    info = {"source": "digits of MNIST", "num_points": config.num_points, "seed": config.seed}
    return Dataset("stacked_mnist", splits, tuple(f"{label:03d}" for label in range(1_000)), info)


def stacked(digits: Split, count: int, seed: tuple[int, ...]) -> Split:
    """`count` images of three digits each: uint8 [count, H, W, 3], labels [count]."""
    chosen = np.random.default_rng(seed).integers(len(digits.images), size=(count, 3))
    images = np.empty((count, *digits.images.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[chosen[:, channel], :, :, 0]
    return Split(images, (digits.labels[chosen] @ np.array([100, 10, 1])).astype(np.int32))
