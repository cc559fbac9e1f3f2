"""A training split that is read during training, since it does not fit into memory."""

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgen.data.base import Split
from jaxgen.devices import parallel
from jaxgen.training.batches import Batching, ResidentSplit, StreamedBatches, choose, positions_of, shapes_of

# Of decoded images that wait to be used, in this process.
_BUFFER_BYTES = 512 * 2**20
# Images that a thread reads at a time, at most: handing over each by itself takes longer than reading a small one.
_GROUP = 16
# Groups of so few bytes are not made smaller, even if some threads have nothing to do then.
_SMALL_BYTES = 64 * 2**10


class StreamedSplit:
    """The training split. grain's threads read batches in advance, in each process for its own devices.

    The examples of a step depend on the seed and the step alone, as for a `ResidentSplit` on the device. The batches
    are the same on any number of processes and devices, and after a resume at any step. The state of this iterator is
    therefore the number of steps done, which every checkpoint has.

    Args:
      batching: sizes and options of batches.
      seed: the run's seed.
      mesh: the batches' mesh.
      train: the training split, with images as in `jaxgen.data.image_files`.
      steps: steps of a dispatch.
      workers: threads, 0: one per core.
    """

    def __init__(self, batching: Batching, seed: int, mesh: Mesh, train: Split, steps: int, workers: int = 0):
        self._train, self._steps, self._mesh = train, steps, mesh
        *shape, self._row = shapes_of(batching, train, None, steps).rows.shape
        self._shape = tuple(shape)
        self._threads = workers or os.cpu_count() or 1
        self._columns = parallel.held_here(mesh, StreamedBatches.spec, self._shape, 3)
        self._order = functools.lru_cache(maxsize=8)(_order(batching, seed, train, parallel.data_devices(mesh), steps))

    def dispatches(self, step: int) -> Iterator[StreamedBatches]:
        """The inputs of the dispatches after `step` steps. The next input is read in the meantime.

        Raises:
          UserError: a file cannot be read, or is no longer an image.
        """
        rows_here = math.prod(self._shape[:3]) * len(self._columns)
        group, waiting = _groups(rows_here, self._row, self._threads)
        read = grain.ReadOptions(num_threads=min(self._threads, waiting), prefetch_buffer_size=waiting)
        groups = grain.MapDataset.source(_Groups(self, step, group)).to_iter_dataset(read)
        iterator = iter(groups.batch(rows_here // group, drop_remainder=True))
        for first in itertools.count(step, self._steps):
            yield StreamedBatches(self._placed_rows(next(iterator)), self._placed_labels(first))

    def _placed_rows(self, rows: np.ndarray) -> jax.Array:
        rows = rows.reshape(*self._shape[:3], len(self._columns), self._row)
        place = {column: i for i, column in enumerate(self._columns)}

        def held(index):
            return rows[:, :, :, [place[column] for column in range(*index[3].indices(self._shape[3]))]]

        return parallel.spread(self._mesh, StreamedBatches.spec, (*self._shape, self._row), held)

    def _placed_labels(self, step: int) -> jax.Array | None:
        if self._train.labels is None:
            return None
        labels = self._train.labels[self._order(step)].reshape(self._shape)
        return parallel.spread(self._mesh, StreamedBatches.spec, self._shape, lambda index: labels[index])

    def rows(self, step: int, numbers: range) -> np.ndarray:
        """Images `numbers` of this process's images for the dispatches after `step`, as rows of bytes."""
        lines, columns = np.divmod(np.array(numbers), len(self._columns))
        dispatches, lines = np.divmod(lines, math.prod(self._shape[:3]))
        order = self._order(step + int(dispatches[0]) * self._steps)  # a group lies in one dispatch
        chosen = order[lines, np.array(self._columns)[columns]]
        return self._train.images.read_many(chosen).reshape(len(chosen), -1)


# What feeds the steps.
TrainingData = ResidentSplit | StreamedSplit


def _groups(rows: int, row_bytes: int, threads: int) -> tuple[int, int]:
    """Images that a thread reads at a time, and the number of such groups being read or waiting.

    Two dispatches are read in advance, if memory allows.

    Args:
      rows: rows of a dispatch in this process. They form whole groups.
    """
    most = max(1, min(2 * rows, _BUFFER_BYTES // row_bytes))
    group = math.gcd(rows, _GROUP)
    while group > 1 and (group > most or (group * threads > most and group * row_bytes > _SMALL_BYTES)):
        group //= 2
    return group, most // group


class _Groups:
    """What grain reads: an endless source of rows, in groups."""

    def __init__(self, split: StreamedSplit, step: int, group: int):
        self._split, self._step, self._group = split, step, group

    def __len__(self) -> int:
        return 2**55

    def __getitem__(self, number: int) -> np.ndarray:
        return self._split.rows(self._step, range(number * self._group, (number + 1) * self._group))


def _order(batching: Batching, seed: int, train: Split, devices: int, steps: int) -> Callable[[int], np.ndarray]:
    """`first step -> [K * batches * parts, examples]`: which images the dispatch sees, column by column on the mesh."""
    # Device d has the examples d, D + d, ... of a part (`jaxgen.ops.random.example_ids`), its columns side by side.
    ids = np.arange(batching.examples).reshape(-1, devices).T.ravel()
    with parallel.on_host():
        key = jax.random.fold_in(jax.random.key(np.uint32(seed)), 1)
        labels = None if train.labels is None else jnp.asarray(train.labels)

    @jax.jit
    def chosen(key, labels, numbers):
        positions = jax.vmap(lambda step: positions_of(batching, step, ids))(numbers)
        return choose(batching, key, positions.ravel(), len(train.images), labels).reshape(-1, batching.examples)

    def order(step: int) -> np.ndarray:
        with parallel.on_host():
            return np.asarray(chosen(key, labels, np.arange(step, step + steps, dtype=np.int32)))

    return order
