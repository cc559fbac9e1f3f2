"""Accumulators that keep a row for each example and compute once all are there."""

import hashlib
from collections.abc import Callable

import jax
import numpy as np

from jaxgen.metrics.image_set import OutputBatch, Pixels

_AT_ONCE = 1000


class Collected:
    """A metric under way (`metrics.base.Accumulator`) whose result is a function of all rows, in the examples' order.

    Args:
      rows_of: what is kept of a batch, [count, ...].
      finish: all rows -> the metric's result.
    """

    def __init__(self, rows_of: Callable[[OutputBatch], np.ndarray], finish: Callable[[np.ndarray], dict]):
        self._rows_of, self._finish = rows_of, finish
        self._rows: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        """Keeps the batch's rows."""
        self._rows.append(self._rows_of(batch))

    def result(self) -> dict:
        """What `finish` makes of all of them."""
        return self._finish(np.concatenate(self._rows))


def of_features(extractor: str, finish: Callable[[np.ndarray], dict], *, logits: bool = False) -> Collected:
    """Of what a feature network says of the samples: features [n, D], or logits.

    The rows are the batch's own, which all metrics share: ten metrics take the memory of one.
    """
    return Collected(lambda batch: batch.features(extractor)[int(logits)], finish)


def of_output(finish: Callable[[np.ndarray], dict]) -> Collected:
    """Of the view's output, such as points [n, D]."""
    return Collected(lambda batch: batch.host(batch.output), finish)


def of_pairs(
    similarity: Callable[[jax.Array, jax.Array, float], jax.Array],
    data_range: float,
    finish: Callable[[np.ndarray], dict],
) -> Collected:
    """Of `similarity(real, fake, data_range)` [n] of each pair, float64."""

    def rows_of(batch):
        return batch.host(similarity(batch.real, batch.fake, data_range)).astype(np.float64)

    return Collected(rows_of, finish)


def digests(images: Pixels) -> list[bytes]:
    """A fingerprint of each image's pixels, [N]; images: [N, ...], an array or what streams from disk."""
    return [
        hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest()
        for first in range(0, len(images), _AT_ONCE)
        for image in images[first : first + _AT_ONCE]
    ]
