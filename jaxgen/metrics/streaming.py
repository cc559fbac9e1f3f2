"""Batches of example numbers with progress, divided over processes, and a way to stop between batches."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

log = logging.getLogger(__name__)
# Seconds between progress lines where there is no terminal for a bar.
_LOG_EVERY = 15.0


class Stopped(Exception):
    """Raised when `stop()` is true."""


class Workers(NamedTuple):
    """The processes that make one evaluation together. The default is this process alone.

    Each process works on its share of every batch. The processes meet to gather rows.

    index, count: number of this process, and number of all processes.
    gather: rows [n, ...] of each -> rows of all, [count * n, ...], in the order of the processes.
    tell: any value -> the first process's value, in all processes.
    """

    index: int = 0
    count: int = 1
    gather: Callable[[np.ndarray], np.ndarray] = np.asarray
    tell: Callable[[Any], Any] = lambda value: value


ALONE = Workers()


class ExampleStream:
    """`stream(total, what)`: this process's example numbers of each batch, int32 [n], and the batch's valid count.

    The last batch is padded with its last example, so that one compiled program suffices.

    Args:
      batch_size: examples per batch, over all processes. Each process takes its n-th part, rounded up.
      progress: whether to show a bar. Without a bar, a line is logged now and then.
      stop: asked before every batch. Its answer must be the same in all processes.
      workers: the processes.
    """

    def __init__(
        self,
        batch_size: int,
        progress: bool = False,
        stop: Callable[[], bool] = lambda: False,
        workers: Workers = ALONE,
    ):
        self._size, self._progress, self._stop, self.workers = batch_size, progress, stop, workers

    def gather(self, values: np.ndarray | jax.Array, count: int) -> np.ndarray:
        """All processes' rows of a batch, on the host, without the padding."""
        return self.workers.gather(np.asarray(values))[:count]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Inside the block, this process works alone, for work without the other processes."""
        before = self.workers, self._stop
        self.workers, self._stop = ALONE, lambda: False
        try:
            yield
        finally:
            self.workers, self._stop = before

    def __call__(self, total: int, what: str, first: int = 0) -> Iterator[tuple[np.ndarray, int]]:
        """The batches from example `first` on."""
        logged, workers = time.monotonic(), self.workers
        share = -(-self._size // workers.count)
        size, own = share * workers.count, workers.index * share + np.arange(share, dtype=np.int32)
        shown = self._progress and workers.index == 0
        with tqdm(total=total, initial=first, desc=what, unit="img", disable=not shown) as bar:
            for start in range(first, total, size):
                if self._stop():
                    raise Stopped
                ids = np.minimum(start + own, total - 1)
                count = min(size, total - start)
                yield ids, count
                bar.update(count)
                if not self._progress and time.monotonic() - logged > _LOG_EVERY:
                    logged = time.monotonic()
                    log.info("%s: %d of %d images", what, start + count, total)
