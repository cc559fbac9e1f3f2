"""Batches drawn on the device: which examples a step sees depends on the run's key and the step alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.data.order import shuffled_index
from jaxgen.ops.pixels import from_uint8
from jaxgen.ops.random import example_uniform
from jaxgen.recipes.base import Batch


class Feed(NamedTuple):
    """How batches are drawn.

    batch_size: examples per batch over all devices.
    batches: batches per step (the recipe's n_critic).
    parts: gradient-accumulation parts per batch.
    flip: mirror images left to right at random.
    shape: (H, W, C) of an image, where they are stored as rows of bytes; () where each keeps its own shape. On a TPU
      rows can be picked as they lie, images only after the whole set has been put in another order, at every step.
    class_weights: how often each class is drawn, any positive numbers; (): as often as there are examples of it.
    streamed: a step is handed its batches (`jaxgen.training.supply`) instead of drawing them from the whole split.
    """

    batch_size: int
    batches: int = 1
    parts: int = 1
    flip: bool = False
    shape: tuple[int, ...] = ()
    class_weights: tuple[float, ...] = ()
    streamed: bool = False

    @property
    def examples(self) -> int:
        """Examples of one part over all devices."""
        return self.batch_size // self.parts


def shapes_of_streamed(feed: Feed, steps: int, row: int, labelled: bool) -> tuple:
    """Images [K, batches, parts, examples, row] and labels (or None) that K = `steps` steps of a stream are handed."""
    shape = (steps, feed.batches, feed.parts, feed.examples)
    labels = jax.ShapeDtypeStruct(shape, jnp.int32) if labelled else None
    return jax.ShapeDtypeStruct((*shape, row), jnp.uint8), labels


def positions(feed: Feed, step: jax.Array, ids: jax.Array) -> jax.Array:
    """Places [batches * parts, len(ids)] of a step's examples in the endless sequence of examples.

    Args:
      feed: sizes.
      step: steps done.
      ids: numbers of the examples within a part.
    """
    first = step * (feed.batches * feed.batch_size)
    part = jnp.arange(feed.batches * feed.parts)[:, None] * feed.examples
    return first + part + ids[None, :]


def drawn(feed: Feed, key: jax.Array, position: jax.Array, count: int, labels: jax.Array | None) -> jax.Array:
    """Which examples [n] of the split's `count` stand at places `position` [n]; `key` is the run's for data."""
    key = jax.random.fold_in(key, 0)
    if feed.class_weights:
        return _index_by_class(key, position, labels, feed.class_weights)
    return shuffled_index(key, position, count)


def sample_batch(feed: Feed, key: jax.Array, step: jax.Array, ids: jax.Array, images, labels) -> Batch:
    """This device's share of the batches of one step, shuffled without replacement epoch by epoch.

    With `feed.class_weights` each example's class is drawn first and then the example from all of that class, with
    replacement (training-by-sampling of Xu et al. 2019, section 4.3, for one discrete column).

    Args:
      feed: sizes and augmentation.
      key: the run's key for data; the same at every step.
      step: steps done.
      ids: [b] numbers of this device's examples within a part.
      images: [N, H, W, C] uint8, or their rows [N, H * W * C], or vectors [N, D] float32, which stay as they are; the
        whole training split. With `feed.streamed` this device's share of the step's rows,
        [batches, parts, b, H * W * C].
      labels: [N] int32 (streamed: [batches, parts, b]), or None.
    """
    position = positions(feed, step, ids)
    if feed.streamed:
        picked, chosen = images.reshape(-1, images.shape[-1]), labels
    else:
        index = drawn(feed, key, position.ravel(), images.shape[0], labels)
        # The barrier keeps XLA from fusing gather and cast, which on a CPU is five times slower.
        picked = jax.lax.optimization_barrier(images[index])
        chosen = None if labels is None else labels[index]
    picked = picked.reshape(len(picked), *(feed.shape or picked.shape[1:]))
    if picked.dtype == jnp.uint8:
        picked = from_uint8(picked)
    if feed.flip:
        mirrored = jax.vmap(lambda i: jax.random.bernoulli(jax.random.fold_in(jax.random.fold_in(key, 1), i)))
        picked = jnp.where(mirrored(position.ravel())[:, None, None, None], picked[:, :, ::-1], picked)
    shape = (feed.batches, feed.parts, ids.shape[0])
    picked = picked.reshape(*shape, *picked.shape[1:])
    return Batch(picked, None if chosen is None else chosen.reshape(shape))


def _index_by_class(key: jax.Array, position: jax.Array, labels: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """Examples [n] of classes drawn by their weights; what is drawn depends on `key` and the position alone."""
    counts = jnp.bincount(labels, length=len(weights))
    by_class, first = jnp.argsort(labels), jnp.cumsum(counts) - counts
    edges = jnp.cumsum(jnp.asarray(weights)) / sum(weights)
    uniform = example_uniform(key, position, (2,))
    chosen = jnp.minimum(jnp.searchsorted(edges, uniform[:, 0], side="right"), len(weights) - 1)
    place = jnp.minimum((uniform[:, 1] * counts[chosen]).astype(jnp.int32), counts[chosen] - 1)
    return by_class[first[chosen] + place]
