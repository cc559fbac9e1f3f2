"""A seeded subset of a stream of images, for metrics that need not hold all of them."""

import numpy as np

from jaxgen.metrics.base import Batch


def indices(total: int, keep: int, seed: int) -> np.ndarray:
    """Sorted numbers of a random subset of `keep` of `total` images, or of all if they are fewer.

    Random, because images from a folder come class by class, so that the first ones would be of one class.
    """
    return np.sort(np.random.default_rng(seed).permutation(total)[:keep])


class StreamSubset:
    """Gathers such a subset, on the host, from batches as they come; the batch size changes nothing."""

    def __init__(self, total: int, keep: int, seed: int):
        self._wanted = indices(total, keep, seed)
        self._seen = 0
        self._parts: list[np.ndarray] = []

    def update(self, batch: Batch) -> None:
        """Keeps what is wanted of the batch's fake images."""
        first, last = np.searchsorted(self._wanted, [self._seen, self._seen + batch.count])
        if last > first:
            self._parts.append(batch.host(batch.fake)[self._wanted[first:last] - self._seen])
        self._seen += batch.count

    def images(self) -> np.ndarray:
        """The subset [keep, H, W, C], in the order of the stream."""
        return np.concatenate(self._parts)
