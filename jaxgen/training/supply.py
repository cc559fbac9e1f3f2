"""Where the compiled steps get their images from: the whole split on every device, or batches as they are needed."""

import functools
import math
import os
from collections.abc import Callable
from typing import NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgen.data.base import Split
from jaxgen.devices import parallel
from jaxgen.training import compiled_steps
from jaxgen.training.batches import Feed, drawn, positions, shapes_of_streamed

# Of decoded images that wait to be used, in this process.
_BUFFER_BYTES = 512 * 2**20
# Images that a thread reads at a time, at most: handing over each by itself takes longer than reading a small one.
_GROUP = 16
# Groups of so few bytes are not made smaller, even if some threads have nothing to do then.
_SMALL_BYTES = 64 * 2**10


class Resident(NamedTuple):
    """The training split on every device; `images` as rows of bytes (`Feed.shape`), vectors, or a table's codes."""

    images: jax.Array
    labels: jax.Array | None

    @property
    def shapes(self) -> tuple:
        """What the steps are compiled for."""
        return self.images, self.labels

    def take(self, step: int) -> tuple[jax.Array, jax.Array | None]:
        """What the dispatch that begins after `step` steps is given."""
        del step
        return self.images, self.labels

    def close(self) -> None:
        """Nothing waits for anything."""


class Stream:
    """Batches read by grain's threads ahead of the steps that use them, each process those of its own devices.

    Which examples a step sees is computed from the seed and the step alone, as resident data's steps do on the device:
    the same batches, on any number of processes and devices, and after a resume at any step. So the state of this
    iterator is the number of steps done, which every checkpoint has.

    Args:
      feed: how batches are drawn.
      seed: of the run.
      mesh: where they go.
      train: the training split, its images as in `jaxgen.data.streamed`.
      steps: of a dispatch.
      workers: threads; 0: one a core.
    """

    def __init__(self, feed: Feed, seed: int, mesh: Mesh, train: Split, steps: int, workers: int = 0):
        self._feed, self._train, self._steps = feed, train, steps
        self._shape = (steps, feed.batches, feed.parts, feed.examples)
        self._row = math.prod(train.images.shape[1:])
        self._mesh, self._spec = mesh, compiled_steps.given_as(feed)
        self._threads = workers or os.cpu_count() or 1
        self._columns = parallel.held_here(mesh, self._spec, self._shape, 3)
        self._order = functools.lru_cache(maxsize=8)(_order(feed, seed, train, parallel.data_devices(mesh), steps))
        self._iterator, self._next = None, -1

    @property
    def shapes(self) -> tuple:
        """What the steps are compiled for."""
        return shapes_of_streamed(self._feed, self._steps, self._row, self._train.labels is not None)

    def take(self, step: int) -> tuple[jax.Array, jax.Array | None]:
        """What the dispatch that begins after `step` steps is given; the next one is read meanwhile.

        Raises:
          UserError: a file cannot be read, or is no image any more.
        """
        if step != self._next:
            self._start(step)
        rows = next(self._iterator).reshape(*self._shape[:3], len(self._columns), self._row)
        self._next = step + self._steps
        place = {column: i for i, column in enumerate(self._columns)}

        def images_at(index):
            return rows[:, :, :, [place[column] for column in range(*index[3].indices(self._shape[3]))]]

        images = parallel.spread(self._mesh, self._spec, (*self._shape, self._row), images_at)
        if self._train.labels is None:
            return images, None
        labels = self._train.labels[self._order(step)].reshape(self._shape)
        return images, parallel.spread(self._mesh, self._spec, self._shape, lambda index: labels[index])

    def close(self) -> None:
        """Ends the threads."""
        self._iterator, self._next = None, -1

    def _start(self, step: int) -> None:
        rows_here = math.prod(self._shape[:3]) * len(self._columns)
        group, waiting = _groups(rows_here, self._row, self._threads)
        read = grain.ReadOptions(num_threads=min(self._threads, waiting), prefetch_buffer_size=waiting)
        groups = grain.MapDataset.source(_Rows(self, step, group)).to_iter_dataset(read)
        self._iterator = iter(groups.batch(rows_here // group, drop_remainder=True))

    def rows(self, step: int, numbers: range) -> np.ndarray:
        """Images `numbers` of those that this process reads for the dispatches after `step`, as rows of bytes."""
        lines, columns = np.divmod(np.array(numbers), len(self._columns))
        dispatches, lines = np.divmod(lines, math.prod(self._shape[:3]))
        order = self._order(step + int(dispatches[0]) * self._steps)  # a group lies in one dispatch
        chosen = order[lines, np.array(self._columns)[columns]]
        return self._train.images.read_many(chosen).reshape(len(chosen), -1)


def _groups(rows: int, row_bytes: int, threads: int) -> tuple[int, int]:
    """Images that a thread reads at a time, and how many such groups are read or wait: two dispatches, within memory.

    Args:
      rows: of a dispatch, in this process; whole groups of them.
    """
    most = max(1, min(2 * rows, _BUFFER_BYTES // row_bytes))
    group = math.gcd(rows, _GROUP)
    while group > 1 and (group > most or (group * threads > most and group * row_bytes > _SMALL_BYTES)):
        group //= 2
    return group, most // group


class _Rows:
    """What grain reads: an endless source of rows, in groups."""

    def __init__(self, stream: Stream, step: int, group: int):
        self._stream, self._step, self._group = stream, step, group

    def __len__(self) -> int:
        return 2**55

    def __getitem__(self, number: int) -> np.ndarray:
        return self._stream.rows(self._step, range(number * self._group, (number + 1) * self._group))


def _order(feed: Feed, seed: int, train: Split, devices: int, steps: int) -> Callable[[int], np.ndarray]:
    """`first step -> [K * batches * parts, examples]`: which images the dispatch sees, column by column on the mesh."""
    # Device d has the examples d, D + d, ... of a part (`jaxgen.ops.random.example_ids`), its columns side by side.
    ids = np.arange(feed.examples).reshape(-1, devices).T.ravel()
    with parallel.on_host():
        key = jax.random.fold_in(jax.random.key(np.uint32(seed)), 1)
        labels = None if train.labels is None else jnp.asarray(train.labels)

    @jax.jit
    def chosen(key, labels, numbers):
        places = jax.vmap(lambda step: positions(feed, step, ids))(numbers)
        return drawn(feed, key, places.ravel(), len(train.images), labels).reshape(-1, feed.examples)

    def order(step: int) -> np.ndarray:
        with parallel.on_host():
            return np.asarray(chosen(key, labels, np.arange(step, step + steps, dtype=np.int32)))

    return order
