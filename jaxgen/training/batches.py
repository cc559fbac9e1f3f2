"""Batches made on the device. The examples of a step depend on the run's key and the step alone.

The compiled steps take their examples as one pytree. Its type defines its contents: the whole split (`ResidentSplit`),
or the batches of a dispatch, read in advance (`StreamedBatches`). Both have the same attributes and methods.
"""

import math
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import PartitionSpec as P

from jaxgen.data.base import Split, is_streamed
from jaxgen.data.order import shuffled_index
from jaxgen.data.table_codec import TableCodec
from jaxgen.ops.pixels import from_uint8
from jaxgen.ops.random import DATA_AXIS, example_uniform
from jaxgen.recipes.base import Batch


class Batching(NamedTuple):
    """The sizes and options of batches.

    batch_size: examples per batch over all devices.
    batches: batches per step (the recipe's n_critic).
    parts: gradient-accumulation parts per batch.
    flip: mirror images left to right at random.
    shape: (H, W, C) of an image if images are stored as rows of bytes, () if each keeps its own shape. A TPU can pick
      rows directly. For images it would first reorder the whole set, at every step.
    class_weights: sampling frequencies of the classes, any positive numbers. () means the frequencies of the data. With
      weights, each example's class is drawn first, then an example of that class, with replacement
      (training-by-sampling of Xu et al. 2019, section 4.3, for one discrete column).
    labelled: numbers of the examples of which the last batch of a step consists. The other batches consist of all
      examples. () makes no difference between the batches.
    """

    batch_size: int
    batches: int = 1
    parts: int = 1
    flip: bool = False
    shape: tuple[int, ...] = ()
    class_weights: tuple[float, ...] = ()
    labelled: tuple[int, ...] = ()

    @property
    def examples(self) -> int:
        """Examples of one part over all devices."""
        return self.batch_size // self.parts


class ResidentSplit(struct.PyTreeNode):
    """The whole training split on every device. The steps draw from it.

    images: rows of bytes uint8 [N, H * W * C] (`Batching.shape`), images uint8 [N, H, W, C], or vectors float32 [N, D].
    labels: int32 [N], or None.
    spec: the arrays' placement on a mesh.
    """

    images: jax.Array
    labels: jax.Array | None
    spec: ClassVar[P] = P()

    def dispatches(self, step: int) -> Iterator["ResidentSplit"]:
        """The endless inputs of the dispatches after `step` steps."""
        del step
        while True:
            yield self

    @property
    def each_step(self) -> None:
        """The part of the data that a loop over the steps of a dispatch splits, for `of_step`: nothing."""

    def of_step(self, taken: None) -> "ResidentSplit":
        """The inputs of one step's batches."""
        del taken
        return self

    def pick(self, batching: Batching, key: jax.Array, positions: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Rows [n, ...] and labels [n] of the examples at `positions` [n] of the endless sequence."""
        index = choose(batching, key, positions, self.images.shape[0], self.labels)
        # The barrier keeps XLA from fusing gather and cast, which on a CPU is five times slower.
        rows = jax.lax.optimization_barrier(self.images[index])
        return rows, None if self.labels is None else self.labels[index]


class StreamedBatches(struct.PyTreeNode):
    """The examples of the K steps of one dispatch. Each device holds its own. One step has no first axis.

    rows: rows of bytes uint8 [K, batches, parts, b, H * W * C]. labels: int32 [K, batches, parts, b], or None.
    spec: the arrays' placement on a mesh.
    """

    rows: jax.Array
    labels: jax.Array | None
    spec: ClassVar[P] = P(None, None, None, DATA_AXIS)

    @property
    def each_step(self) -> "StreamedBatches":
        """The part of the data that a loop over the steps of a dispatch splits, for `of_step`."""
        return self

    def of_step(self, taken: "StreamedBatches") -> "StreamedBatches":
        """The inputs of one step's batches."""
        return taken

    def pick(self, batching: Batching, key: jax.Array, positions: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Rows [n, ...] and labels of the examples of a single step. The reader has already used `positions`."""
        del batching, key, positions
        return self.rows.reshape(-1, self.rows.shape[-1]), self.labels


# What a compiled program of several steps is given.
DispatchData = ResidentSplit | StreamedBatches


def shapes_of(batching: Batching, train: Split, table: TableCodec | None, steps: int) -> DispatchData:
    """Shapes of the inputs of `steps` steps from a split, whose arrays may be shapes themselves."""
    images = train.images if table is None else table.encoded
    row = math.prod(images.shape[1:])
    if is_streamed(images):
        shape = (steps, batching.batches, batching.parts, batching.examples)
        labels = None if train.labels is None else jax.ShapeDtypeStruct(shape, jnp.int32)
        return StreamedBatches(jax.ShapeDtypeStruct((*shape, row), jnp.uint8), labels)
    labels = None if train.labels is None else jax.ShapeDtypeStruct(train.labels.shape, jnp.int32)
    return ResidentSplit(jax.ShapeDtypeStruct((images.shape[0], row), images.dtype), labels)


def positions_of(batching: Batching, step: jax.Array, ids: jax.Array | np.ndarray) -> jax.Array:
    """Places [batches * parts, len(ids)] of a step's examples in the endless sequence of examples.

    Args:
      batching: sizes.
      step: steps done.
      ids: numbers of the examples within a part.
    """
    first = step * (batching.batches * batching.batch_size)
    part = jnp.arange(batching.batches * batching.parts)[:, None] * batching.examples
    return first + part + ids[None, :]


def choose(batching: Batching, key: jax.Array, positions: jax.Array, count: int, labels: jax.Array | None) -> jax.Array:
    """The examples [n] of the split's `count` at `positions` [n]. `key` is the run's key for data."""
    key = jax.random.fold_in(key, 0)
    if batching.labelled:
        return _index_with_labelled(batching, key, positions, count)
    if batching.class_weights:
        return _index_by_class(key, positions, labels, batching.class_weights)
    return shuffled_index(key, positions, count)


def make_batch(batching: Batching, key: jax.Array, step: jax.Array, ids: jax.Array, data: DispatchData) -> Batch:
    """This device's share of the batches of one step, shuffled without replacement epoch by epoch.

    Args:
      batching: sizes and augmentation.
      key: the run's key for data, the same at every step.
      step: steps done.
      ids: [b] numbers of this device's examples within a part.
      data: the data of this step (`of_step`).
    """
    positions = positions_of(batching, step, ids).ravel()
    images, labels = data.pick(batching, key, positions)
    images = images.reshape(len(images), *(batching.shape or images.shape[1:]))
    if images.dtype == jnp.uint8:
        images = from_uint8(images)
    if batching.flip:
        mirrored = jax.vmap(lambda i: jax.random.bernoulli(jax.random.fold_in(jax.random.fold_in(key, 1), i)))
        images = jnp.where(mirrored(positions)[:, None, None, None], images[:, :, ::-1], images)
    shape = (batching.batches, batching.parts, ids.shape[0])
    return Batch(images.reshape(*shape, *images.shape[1:]), None if labels is None else labels.reshape(shape))


def _index_with_labelled(batching: Batching, key: jax.Array, positions: jax.Array, count: int) -> jax.Array:
    """Examples [n]. The last batch of each step goes through the labelled examples, the others go through all."""
    step, place = jnp.divmod(positions.astype(jnp.uint32), batching.batches * batching.batch_size)
    place, others = place.astype(jnp.int32), (batching.batches - 1) * batching.batch_size
    chosen = jnp.asarray(batching.labelled, jnp.int32)
    of_all = shuffled_index(key, step * others + jnp.minimum(place, others - 1), count)
    within = step * batching.batch_size + jnp.maximum(place - others, 0)
    of_labelled = chosen[shuffled_index(jax.random.fold_in(key, 1), within, len(batching.labelled))]
    return jnp.where(place < others, of_all, of_labelled)


def _index_by_class(key: jax.Array, position: jax.Array, labels: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """Examples [n] of classes drawn by their weights; what is drawn depends on `key` and the position alone."""
    counts = jnp.bincount(labels, length=len(weights))
    by_class, first = jnp.argsort(labels), jnp.cumsum(counts) - counts
    edges = jnp.cumsum(jnp.asarray(weights)) / sum(weights)
    uniform = example_uniform(key, position, (2,))
    chosen = jnp.minimum(jnp.searchsorted(edges, uniform[:, 0], side="right"), len(weights) - 1)
    place = jnp.minimum((uniform[:, 1] * counts[chosen]).astype(jnp.int32), counts[chosen] - 1)
    return by_class[first[chosen] + place]
