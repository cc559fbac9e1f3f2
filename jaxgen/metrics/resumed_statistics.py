"""Statistics of a long stream of features. They are saved now and then, so that a killed process loses little."""

import json
import logging
import time
from pathlib import Path

import numpy as np

from jaxgen.metrics.extractors.statistics_file import Mismatch, arrays_of, write_arrays
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.metrics.streaming import Workers

log = logging.getLogger(__name__)
# Rows of one outer product: many at a time are several times faster than a few.
_ROWS = 1000
# Seconds between two saves. A part of 2,048 features takes 34 MB.
_SAVE_EVERY = 20.0


class ResumedStatistics:
    """Mean and scatter of the features of a stream that may start in its middle.

    Args:
      path: the file of the part that is done. None saves nothing.
      metadata: what the statistics depend on. A part of anything else is not used.
      workers: the processes that share the work. The first of them reads and writes.
    """

    def __init__(self, path: Path | None, metadata: dict, workers: Workers):
        self._path = path if workers.index == 0 else None
        self._metadata = json.dumps(metadata, sort_keys=True)
        self._statistics: FeatureStatistics | None = workers.tell(self._load())
        self._waiting: list[np.ndarray] = []
        self._saved = time.monotonic()

    @property
    def done(self) -> int:
        """The number of examples in the saved part, which come first in the stream."""
        return 0 if self._statistics is None else self._statistics.n

    def update(self, features: np.ndarray) -> None:
        """Adds the next features [n, D] of the stream."""
        self._waiting.append(np.asarray(features, np.float32))
        if sum(len(part) for part in self._waiting) >= _ROWS:
            self._merge()
            if self._path is not None and time.monotonic() - self._saved > _SAVE_EVERY:
                self._save()

    def finish(self) -> FeatureStatistics:
        """The statistics of all examples."""
        self._merge()
        return self._statistics

    def _merge(self) -> None:
        if self._waiting:
            part = FeatureStatistics.of(np.concatenate(self._waiting))
            self._statistics = part if self._statistics is None else self._statistics.merge(part)
            self._waiting = []

    def _save(self) -> None:
        n, mean, scatter = self._statistics
        try:
            write_arrays(self._path, n=np.array(n), mean=mean, scatter=scatter, metadata=np.array(self._metadata))
        except OSError as error:
            log.warning("%s: the finished part could not be kept: %s", self._path, error)
            self._path = None
        self._saved = time.monotonic()

    def _load(self) -> FeatureStatistics | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            with arrays_of(self._path) as arrays:
                if str(arrays["metadata"]) != self._metadata:
                    return None
                part = FeatureStatistics(int(arrays["n"]), arrays["mean"], arrays["scatter"])
        except (Mismatch, OSError) as error:
            log.warning("%s: the finished part cannot be used: %s", self._path, error)
            return None
        if part.scatter.shape != 2 * part.mean.shape or not np.isfinite(part.scatter).all():
            log.warning("%s: the finished part cannot be used: damaged", self._path)
            return None
        log.info("going on after %d images, which an earlier process finished", part.n)
        return part
