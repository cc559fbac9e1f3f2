"""A classifier of real training images, for metrics that ask what a generated image shows.

It is a small residual network (He et al. 2016, Identity mappings) with GroupNorm. It is trained once for each data set
and kept in the cache folder.
"""

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.image_set import Chosen, ImageSet, Pixels
from jaxgen.ops.layers import Conv, Dense
from jaxgen.ops.pixels import from_uint8

log = logging.getLogger(__name__)
# Passes over the images, and the fewest steps, which a small set needs.
EPOCHS, FEWEST_STEPS, BATCH = 16, 400, 128
WIDTHS = {1: 16, 3: 32}  # channels of the first layer, for gray and for coloured images
LEARNING_RATE, WEIGHT_DECAY = 6e-3, 1e-2
_VERSION = 2  # raise it when the same settings train another network
_LEAST_SIDE = 8  # the last block sees images of about this side
_AT_ONCE = 500
_SEED = 0


class Network(nn.Module):
    """Images float32 [n, H, W, C] in [-1, 1] -> logits [n, classes].

    Each stage has one block of two convolutions, and each stage but the first halves the sides. There are two or more.
    """

    width: int
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = self.width
        x = Conv(width, stride=2 if min(x.shape[1:3]) >= 2 * _LEAST_SIDE else 1)(x)
        x = self.block(x)
        while width == self.width or min(x.shape[1:3]) > _LEAST_SIDE:
            width *= 2
            x = self.block(Conv(width, stride=2)(x))
        return Dense(self.classes)(_active(x).mean((1, 2)))

    def block(self, x: jax.Array) -> jax.Array:
        """The input, plus two convolutions of it."""
        width = x.shape[-1]
        return x + Conv(width)(_active(Conv(width)(_active(x))))


def _active(x: jax.Array) -> jax.Array:
    return nn.relu(nn.GroupNorm(num_groups=8)(x))


class Classifier(NamedTuple):
    """A trained network. examples, steps: the number of training images, and of updates."""

    network: Network
    params: Any
    examples: int
    steps: int

    def classes_of(self, images: jax.Array | np.ndarray) -> jax.Array:
        """The most likely class of each image uint8 [n, H, W, C], int32 [n]."""
        return _classes(self.network, self.params, images)

    def classes_of_all(self, images: Pixels) -> np.ndarray:
        """The same for a set of any size, int32 [N] on the host."""
        count, found = len(images), []
        for first in range(0, count, _AT_ONCE):
            ids = np.minimum(np.arange(first, first + min(_AT_ONCE, count)), count - 1)
            found.append(np.asarray(self.classes_of(images[ids]))[: count - first])
        return np.concatenate(found)

    def accuracy(self, images: Pixels, labels: np.ndarray) -> float:
        """The share of images whose most likely class is their label."""
        return float(np.mean(self.classes_of_all(images) == np.asarray(labels)))


def of(images: ImageSet, classes: int, count: int = 0, pieces: Callable | None = None) -> Classifier:
    """The classifier of a labelled set, from the cache if it was trained before.

    Args:
      count: it learns from a seeded choice of so many images. 0, or more than there are: all.
      pieces: `images uint8 [n, H, W, C], labels [n] -> images [m, ...], labels [m]`: the labelled parts of images that
        it learns in place of whole images. The cache knows `pieces` by its name.
    """
    if 0 < count < len(images):
        chosen = np.sort(np.random.default_rng(_SEED).permutation(len(images))[:count])
    else:
        chosen = np.arange(len(images))
    labels = np.asarray(images.labels, np.int32)[chosen]
    facts = {"version": _VERSION, "classes": classes, "chosen": len(chosen)}
    facts["labels_sha256"] = hashlib.sha256(labels.tobytes()).hexdigest()
    shape, examples = images.images.shape[1:], len(chosen)
    if pieces is not None:
        first, _ = pieces(np.asarray(images.images[chosen[:1]]), labels[:1])
        facts["pieces"] = f"{pieces.__module__}.{pieces.__qualname__}"
        shape, examples = first.shape[1:], len(first) * len(chosen)
    facts["steps"] = _steps(examples)
    network = Network(WIDTHS[shape[-1]], classes)

    def compute() -> Classifier:
        log.info("classifier of %s: %d updates on %d images", images.split, facts["steps"], examples)
        learned = Chosen(images.images, chosen), labels
        if pieces is not None:
            learned = pieces(np.asarray(images.images[chosen]), labels)
        return train(*learned, classes)

    def load(path: Path) -> Classifier:
        with statistics_file.arrays_of(path) as arrays:
            params = unflatten_dict({name: np.array(arrays[name]) for name in arrays}, sep="/")
            shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *shape)))["params"]
            if jax.tree.map(jnp.shape, params) != jax.tree.map(jnp.shape, shapes):
                raise statistics_file.Mismatch("it holds another network")
        return Classifier(network, params, examples, facts["steps"])

    def save(path: Path, trained: Classifier) -> None:
        arrays = flatten_dict(trained.params, sep="/")
        statistics_file.write_arrays(path, **{name: np.asarray(array) for name, array in arrays.items()})

    return images.kept("classifiers", facts, load, save, compute)


def train(images: Pixels, labels: np.ndarray, classes: int) -> Classifier:
    """Trains a classifier by AdamW with a learning rate that falls to 0, on images that are shifted by a few pixels.

    Args:
      images: uint8 [N, H, W, C]. labels: [N], below `classes`.
    """
    network, steps = Network(WIDTHS[images.shape[-1]], classes), _steps(len(labels))
    random = np.random.default_rng(_SEED)
    params = jax.jit(network.init)(jax.random.key(_SEED), jnp.zeros((1, *images.shape[1:])))["params"]
    opt_state = _optimizer(steps).init(params)
    rounds = -(-steps * BATCH // len(labels))
    order = np.concatenate([random.permutation(len(labels)) for _ in range(rounds)])
    for step in range(steps):
        ids = order[step * BATCH : (step + 1) * BATCH]
        batch = _shifted(np.asarray(images[ids]), random)
        params, opt_state = _update(network, steps, params, opt_state, batch, labels[ids])
    return Classifier(network, jax.block_until_ready(params), len(labels), steps)


def _steps(count: int) -> int:
    return max(FEWEST_STEPS, EPOCHS * count // BATCH)


def _optimizer(steps: int) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, max(1, steps // 20), steps)
    return optax.adamw(rate, weight_decay=WEIGHT_DECAY)


@partial(jax.jit, static_argnums=(0, 1))
def _update(network: Network, steps: int, params, opt_state, images, labels):
    def loss(params):
        logits = network.apply({"params": params}, from_uint8(images))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    updates, opt_state = _optimizer(steps).update(jax.grad(loss)(params), opt_state, params)
    return optax.apply_updates(params, updates), opt_state


@partial(jax.jit, static_argnums=0)
def _classes(network: Network, params, images) -> jax.Array:
    return network.apply({"params": params}, from_uint8(images)).argmax(-1).astype(jnp.int32)


def _shifted(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image [n, H, W, C] moved by up to a fourteenth of its side, with its edge repeated."""
    count, height, width, _ = images.shape
    most = max(1, min(height, width) // 14)
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    down, right = random.integers(0, 2 * most + 1, (2, count))
    return np.moveaxis(windows[np.arange(count), down, right], 1, -1)
