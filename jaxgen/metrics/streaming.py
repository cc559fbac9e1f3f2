"""Batches of example numbers with progress, and a way to stop between them."""

import logging
import time
from collections.abc import Callable, Iterator

import numpy as np
from tqdm import tqdm

log = logging.getLogger(__name__)
# Seconds between progress lines where there is no terminal for a bar.
_TELL_EVERY = 15.0


class Stopped(Exception):
    """`stop()` said so."""


class Stream:
    """`stream(total, what)`: example numbers int32 [batch_size] of each batch, and how many of them count.

    The last batch is padded with its last example, so that one compiled program does for all.

    Args:
      batch_size: examples at a time.
      progress: whether to show a bar; without one a line is logged now and then.
      stop: asked before every batch.
    """

    def __init__(self, batch_size: int, progress: bool = False, stop: Callable[[], bool] = lambda: False):
        self._size, self._progress, self._stop = batch_size, progress, stop

    def __call__(self, total: int, what: str) -> Iterator[tuple[np.ndarray, int]]:
        told = time.monotonic()
        with tqdm(total=total, desc=what, unit="img", disable=not self._progress) as bar:
            for first in range(0, total, self._size):
                if self._stop():
                    raise Stopped
                ids = np.minimum(np.arange(first, first + self._size, dtype=np.int32), total - 1)
                count = min(self._size, total - first)
                yield ids, count
                bar.update(count)
                if not self._progress and time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    log.info("%s: %d of %d images", what, first + count, total)
