"""Accumulators that keep a row for each example, or for a seeded subset, and compute at the end."""

import hashlib
from collections.abc import Callable

import jax
import numpy as np

from jaxgen.metrics.image_set import OutputBatch, Pixels

_AT_ONCE = 1000
DATA_RANGE = 255  # of the images, whose grey levels are uint8
# (real images, fake images, data range) -> [n]
Similarity = Callable[[jax.Array, jax.Array, float], jax.Array]


class Collected:
    """A metric in progress (`metrics.base.Accumulator`). Its result is a function of all rows, in order of examples.

    Args:
      rows_of: the rows to keep of a batch, [count, ...].
      finish: all rows -> the metric's result.
    """

    def __init__(self, rows_of: Callable[[OutputBatch], np.ndarray], finish: Callable[[np.ndarray], dict]):
        self._rows_of, self._finish = rows_of, finish
        self._parts: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        """Keeps the batch's rows."""
        self._parts.append(self._rows_of(batch))

    def rows(self) -> np.ndarray:
        """The kept rows, in the order of the stream."""
        return np.concatenate(self._parts)

    def result(self) -> dict:
        """The result of `finish` on all rows."""
        return self._finish(self.rows())


def indices(total: int, keep: int, seed: int) -> np.ndarray:
    """Sorted indices of a random subset of `keep` of `total` images, or of all images if there are fewer.

    The subset is random, because a folder's images come class by class. The first images would be of one class.
    """
    return np.sort(np.random.default_rng(seed).permutation(total)[:keep])


class StreamSubset(Collected):
    """`Collected` for such a subset only. The batch size changes nothing.

    Args:
      total, keep, seed: see `indices`.
      rows_of: the rows to keep of a batch, one per image, such as its fake images or their features.
    """

    def __init__(
        self,
        total: int,
        keep: int,
        seed: int,
        rows_of: Callable[[OutputBatch], np.ndarray] = lambda batch: batch.host(batch.fake),
        finish: Callable[[np.ndarray], dict] | None = None,
    ):
        super().__init__(rows_of, finish)
        self._wanted, self._seen = indices(total, keep, seed), 0

    def update(self, batch: OutputBatch) -> None:
        """Keeps the chosen rows of the batch."""
        first, last = np.searchsorted(self._wanted, [self._seen, self._seen + batch.count])
        if last > first:
            self._parts.append(self._rows_of(batch)[self._wanted[first:last] - self._seen])
        self._seen += batch.count


def of_features(extractor: str, finish: Callable[[np.ndarray], dict], *, logits: bool = False) -> Collected:
    """Collects a feature network's output for the samples: features [n, D], or logits.

    The rows are the batch's own arrays, which all metrics share. Ten metrics take the memory of one.
    """
    return Collected(lambda batch: batch.features(extractor)[int(logits)], finish)


def of_output(finish: Callable[[np.ndarray], dict]) -> Collected:
    """Collects the view's output, such as points [n, D]."""
    return Collected(lambda batch: batch.host(batch.output), finish)


def of_pairs(similarity: Similarity, finish: Callable[[np.ndarray], dict]) -> Collected:
    """Collects `similarity(real, fake, DATA_RANGE)` [n] of each pair, float64."""
    return Collected(
        lambda batch: batch.host(similarity(batch.real, batch.fake, DATA_RANGE)).astype(np.float64), finish
    )


def of_features_and_digests(extractor: str, finish: Callable[[np.ndarray, list[bytes]], dict]) -> Collected:
    """Collects the features of the samples [n, D], and the `digests` of their pixels."""
    of_fake: list[bytes] = []

    def rows_of(batch: OutputBatch) -> np.ndarray:
        of_fake.extend(digests(batch.host(batch.fake)))
        return batch.features(extractor)[0]

    return Collected(rows_of, lambda features: finish(features, of_fake))


def digests(images: Pixels) -> list[bytes]:
    """A fingerprint of each image's pixels, [N]. images: [N, ...], an array or images that stream from disk."""
    return [
        hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest()
        for first in range(0, len(images), _AT_ONCE)
        for image in images[first : first + _AT_ONCE]
    ]


def no_number(reason: str) -> dict:
    """The result of a metric that has no number for what it was given, with the reason in a short sentence."""
    return {"value": float("nan"), "spread": None, "spread_kind": f"none: {reason}", "note": reason}


def mean_and_deviation(values: np.ndarray) -> dict:
    """Summarises values [N] of single images: mean as `value`, standard deviation as `spread`, standard error."""
    return {
        "value": float(values.mean()),
        "spread": float(values.std()),
        "spread_kind": "standard deviation over images",
        "standard_error": float(values.std() / np.sqrt(len(values))),
    }
