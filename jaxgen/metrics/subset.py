"""A seeded subset of a stream of images, for metrics that need not hold all of them."""

from collections.abc import Callable

import numpy as np

from jaxgen.metrics.base import OutputBatch


def indices(total: int, keep: int, seed: int) -> np.ndarray:
    """Sorted numbers of a random subset of `keep` of `total` images, or of all if they are fewer.

    Random, because images from a folder come class by class, so that the first ones would be of one class.
    """
    return np.sort(np.random.default_rng(seed).permutation(total)[:keep])


class StreamSubset:
    """Gathers such a subset, on the host, from batches as they come; the batch size changes nothing.

    Args:
      total, keep, seed: see `indices`.
      rows_of: what is kept of a batch, one row an image: its fake images, or such as their features.
      finish: the subset's rows -> a metric's result, of which this is then the accumulator.
    """

    def __init__(
        self,
        total: int,
        keep: int,
        seed: int,
        rows_of: Callable[[OutputBatch], np.ndarray] = lambda batch: batch.host(batch.fake),
        finish: Callable[[np.ndarray], dict] | None = None,
    ):
        self._rows_of, self._finish = rows_of, finish
        self._wanted = indices(total, keep, seed)
        self._seen = 0
        self._parts: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        """Keeps what is wanted of the batch."""
        first, last = np.searchsorted(self._wanted, [self._seen, self._seen + batch.count])
        if last > first:
            self._parts.append(self._rows_of(batch)[self._wanted[first:last] - self._seen])
        self._seen += batch.count

    def rows(self) -> np.ndarray:
        """The subset [keep, ...], in the order of the stream."""
        return np.concatenate(self._parts)

    def result(self) -> dict:
        """What `finish` makes of the subset."""
        return self._finish(self.rows())
