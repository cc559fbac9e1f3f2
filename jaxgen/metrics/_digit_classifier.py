"""A small convolutional network that reads single digits. It is trained once for each training set and kept."""

import hashlib
import logging
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgen.files import caches, npz
from jaxgen.files.workdir import atomic
from jaxgen.ops.layers import Conv, Dense
from jaxgen.ops.pixels import from_uint8

log = logging.getLogger(__name__)
# What the kept networks depend on, beside their images.
SETTINGS = {"width": 16, "hidden": 128, "batch": 128, "epochs": 4, "rate": 2e-3, "classes": 10, "format": 1}
_AT_ONCE = 1_000


class _Network(nn.Module):
    """Two convolutions with stride 2, two dense layers: images [B, H, W, 1] -> logits [B, classes]."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = from_uint8(images)
        for width in (SETTINGS["width"], 2 * SETTINGS["width"]):
            x = nn.relu(Conv(width, stride=2)(x))
        x = nn.relu(Dense(SETTINGS["hidden"])(x.reshape(x.shape[0], -1)))
        return Dense(SETTINGS["classes"])(x)


def trained(images: np.ndarray, labels: np.ndarray, folder: Path | None = None) -> dict:
    """Parameters of a network that has learned digits. The same images give the same network.

    Args:
      images: uint8 [N, H, W, 1]. labels: [N], 0 to 9.
      folder: where networks are kept. None: in the folder of caches.
    """
    folder = folder or caches.folder() / "classifiers"
    digest = hashlib.sha256(repr(sorted(SETTINGS.items())).encode())
    for array in (images, labels):
        digest.update(repr((array.shape, array.dtype)).encode() + np.ascontiguousarray(array).data)
    path = folder / f"digits_{digest.hexdigest()[:16]}.npz"
    if path.exists():
        try:
            with npz.opened(path) as arrays:
                return unflatten_dict({tuple(name.split("/")): arrays[name] for name in arrays})
        except (npz.Damaged, OSError) as error:
            log.warning("%s is damaged (%s). The classifier is trained again", path, error)
    params = jax.device_get(_fit(images, labels))
    if caches.can_keep(folder):
        with atomic(path) as file:
            np.savez(file, **{"/".join(names): leaf for names, leaf in flatten_dict(params).items()})
    return params


def _fit(images: np.ndarray, labels: np.ndarray) -> dict:
    """Adam with a rate that falls to 0, over shuffled epochs."""
    batch = min(SETTINGS["batch"], len(images))
    steps = len(images) // batch
    tx = optax.adam(optax.cosine_decay_schedule(SETTINGS["rate"], steps * SETTINGS["epochs"]))
    network = _Network()

    def step(carry, chosen):
        params, state = carry

        def loss_of(params):
            logits = network.apply({"params": params}, images[chosen])
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[chosen]))

        updates, state = tx.update(jax.grad(loss_of)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    images, labels = jnp.asarray(images), jnp.asarray(labels, jnp.int32)
    params = jax.jit(network.init)(jax.random.key(0), images[:1])["params"]
    epoch = jax.jit(lambda carry, order: jax.lax.scan(step, carry, order)[0])
    carry, rng = (params, tx.init(params)), np.random.default_rng(0)
    for _ in range(SETTINGS["epochs"]):
        carry = epoch(carry, rng.permutation(len(images))[: steps * batch].reshape(steps, batch))
    return carry[0]


def predicted(params: dict, images: np.ndarray) -> np.ndarray:
    """The digits [N] that the network reads in uint8 [N, H, W, 1]."""
    read = jax.jit(lambda params, images: jnp.argmax(_Network().apply({"params": params}, images), axis=-1))
    size, found = min(_AT_ONCE, len(images)), []  # one program for all parts
    for first in range(0, len(images), size):
        part = images[first : first + size]
        padded = np.pad(part, ((0, size - len(part)), (0, 0), (0, 0), (0, 0)))
        found.append(np.asarray(read(params, padded))[: len(part)])
    return np.concatenate(found)
