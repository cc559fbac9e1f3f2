"""Features of a long stream, or their statistics, which are saved now and then: a killed process loses little."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen.metrics.extractors.statistics_file import Mismatch, arrays_of, write_arrays
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.metrics.streaming import Workers

log = logging.getLogger(__name__)
# Rows of one outer product: many at a time are several times faster than a few.
_ROWS = 1000
# Seconds between two saves. A part of 2,048 features takes 34 MB as statistics, and 8 KB an image as features.
_SAVE_EVERY = 20.0


class _PartFile:
    """The file of the part that is done. The first of the processes that share the work reads and writes it.

    Args:
      path: None keeps nothing.
      metadata: what the part depends on. A part of anything else is not used.
    """

    def __init__(self, path: Path | None, metadata: dict, workers: Workers):
        self._path = path if workers.index == 0 else None
        self._metadata = json.dumps(metadata, sort_keys=True)
        self._saved = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self._path is not None and time.monotonic() - self._saved > _SAVE_EVERY

    def save(self, **arrays: np.ndarray) -> None:
        """Writes the arrays, whole or not at all."""
        try:
            write_arrays(self._path, **arrays, metadata=np.array(self._metadata))
        except OSError as error:
            log.warning("%s: the finished part could not be kept: %s", self._path, error)
            self._path = None
        self._saved = time.monotonic()

    def load(self, read: Callable[[Mapping[str, np.ndarray]], Any]) -> Any:
        """What `read` makes of the part's arrays. None where there is no such part, or it cannot be used.

        `read` raises `Mismatch` for a damaged part.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with arrays_of(self._path) as arrays:
                return read(arrays) if str(arrays["metadata"]) == self._metadata else None
        except (Mismatch, OSError) as error:
            log.warning("%s: the finished part cannot be used: %s", self._path, error)
            return None


class ResumedFeatures:
    """The features of a stream that may start in its middle.

    Args:
      path: the file of the part that is done. None saves nothing.
      metadata: what the features depend on. A part of anything else is not used.
      workers: the processes that share the work. The first of them reads and writes.
    """

    def __init__(self, path: Path | None, metadata: dict, workers: Workers):
        self._file = _PartFile(path, metadata, workers)
        part = workers.tell(self._load(metadata["feature_size"]))
        self._parts = [] if part is None else [part]

    @property
    def done(self) -> int:
        """The number of examples in the saved part, which come first in the stream."""
        return sum(len(part) for part in self._parts)

    def update(self, features: np.ndarray) -> None:
        """Adds the next features [n, D] of the stream."""
        self._parts.append(np.asarray(features, np.float32))
        if self._file.is_due():
            self._parts = [np.concatenate(self._parts)]
            self._file.save(features=self._parts[0])

    def finish(self) -> np.ndarray:
        """The features of all examples, float32 [N, D]."""
        return np.concatenate(self._parts)

    def _load(self, size: int) -> np.ndarray | None:
        def read(arrays):
            features = np.asarray(arrays["features"], np.float32)
            if features.ndim != 2 or features.shape[1] != size or not np.isfinite(features).all():
                raise Mismatch("damaged")
            return features

        features = self._file.load(read)
        if features is not None:
            log.info("going on after %d images, which an earlier process finished", len(features))
        return features


class ResumedStatistics:
    """Mean and scatter of the features of a stream that may start in its middle. Arguments as for `ResumedFeatures`."""

    def __init__(self, path: Path | None, metadata: dict, workers: Workers):
        self._file = _PartFile(path, metadata, workers)
        self._statistics: FeatureStatistics | None = workers.tell(self._load())
        self._waiting: list[np.ndarray] = []

    @property
    def done(self) -> int:
        """The number of examples in the saved part, which come first in the stream."""
        return 0 if self._statistics is None else self._statistics.n

    def update(self, features: np.ndarray) -> None:
        """Adds the next features [n, D] of the stream."""
        self._waiting.append(np.asarray(features, np.float32))
        if sum(len(part) for part in self._waiting) >= _ROWS:
            self._merge()
            if self._file.is_due():
                n, mean, scatter = self._statistics
                self._file.save(n=np.array(n), mean=mean, scatter=scatter)

    def finish(self) -> FeatureStatistics:
        """The statistics of all examples."""
        self._merge()
        return self._statistics

    def _merge(self) -> None:
        if self._waiting:
            part = FeatureStatistics.of(np.concatenate(self._waiting))
            self._statistics = part if self._statistics is None else self._statistics.merge(part)
            self._waiting = []

    def _load(self) -> FeatureStatistics | None:
        def read(arrays):
            part = FeatureStatistics(int(arrays["n"]), arrays["mean"], arrays["scatter"])
            if part.scatter.shape != 2 * part.mean.shape or not np.isfinite(part.scatter).all():
                raise Mismatch("damaged")
            return part

        part = self._file.load(read)
        if part is not None:
            log.info("going on after %d images, which an earlier process finished", part.n)
        return part
