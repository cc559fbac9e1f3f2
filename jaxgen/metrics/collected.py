"""An accumulator that keeps what a feature network says of the samples and computes once all are there."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxgen.metrics.base import OutputBatch

_AT_ONCE = 1000


class Collected:
    """A metric under way (`metrics.base.Accumulator`) whose result is a function of all features [n, D] (or logits).

    The rows that it keeps are the batch's own, which all metrics share: ten metrics take the memory of one.
    """

    def __init__(self, extractor: str, finish: Callable[[np.ndarray], dict], *, logits: bool = False):
        self._extractor, self._finish, self._part = extractor, finish, int(logits)
        self._rows: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        """Keeps the features of the batch's samples."""
        self._rows.append(batch.features(self._extractor)[self._part])

    def result(self) -> dict:
        """What `finish` makes of all of them, in the order of the samples."""
        return self._finish(np.concatenate(self._rows))


def digests(images: Any) -> list[bytes]:
    """A fingerprint of each image's pixels, [N]; images: [N, ...], an array or what streams from disk."""
    return [
        hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest()
        for first in range(0, len(images), _AT_ONCE)
        for image in images[first : first + _AT_ONCE]
    ]
