"""What a trained state shows: samples, reconstructions and interpolations as uint8 images, on all devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.recipes.base import Recipe
from jaxgen.training import parallel

PyTree = Any


def to_uint8(images: jax.Array) -> jax.Array:
    """[-1, 1] -> 0..255 as FID tools expect it: x * 127.5 + 128, cut off, never stretched to a batch's own range."""
    return jnp.clip(images.astype(jnp.float32) * 127.5 + 128.0, 0, 255).astype(jnp.uint8)


class Views:
    """Compiled views of a recipe.

    Args:
      recipe: what was trained.
      mesh: devices to spread batches over.
      num_classes: labels of samples go round all classes; 0 for none.
    """

    def __init__(self, recipe: Recipe, mesh, num_classes: int):
        self._mesh = mesh
        self._num_classes = num_classes
        self.names = tuple(recipe.views)

        def sample(players, key, ids, labels):
            return to_uint8(recipe.views["sample"](players, key, ids, labels))

        def decode(players, latents, labels):
            return to_uint8(recipe.views["decode"](players, latents, labels))

        def reconstruct(players, images):
            return to_uint8(recipe.views["reconstruct"](players, images.astype(jnp.float32) / 127.5 - 1))

        self._sample = jax.jit(sample)
        self._decode = jax.jit(decode)
        self._reconstruct = jax.jit(reconstruct)
        self._latents = jax.jit(recipe.views["latents"]) if "latents" in recipe.views else None

    def _labels(self, ids: np.ndarray):
        if not self._num_classes:
            return None
        return parallel.place(self._mesh, (np.asarray(ids) % self._num_classes).astype(np.int32))

    def sample(self, players: PyTree, key, ids: np.ndarray) -> jax.Array:
        """Samples number `ids` of the key, uint8 [n, H, W, C]."""
        ids = np.asarray(ids, np.int32)
        return self._sample(parallel.viewable(players), key, parallel.place(self._mesh, ids), self._labels(ids))

    def reconstruct(self, players: PyTree, images: np.ndarray) -> jax.Array:
        """Reconstructions of uint8 images [n, H, W, C]."""
        return self._reconstruct(parallel.viewable(players), parallel.place(self._mesh, images))

    def interpolate(self, players: PyTree, key, rows: int, columns: int) -> np.ndarray:
        """Rows of images between two random latents each, along the great circle: [rows * columns, H, W, C]."""
        ids = np.arange(2 * rows, dtype=np.int32)
        latents = np.asarray(self._latents(key, ids), np.float64).reshape(2, rows, -1)
        path = slerp(latents[0], latents[1], np.linspace(0, 1, columns))
        flat = path.reshape(rows * columns, -1).astype(np.float32)
        labels = None if not self._num_classes else np.repeat(ids[:rows] % self._num_classes, columns)
        return np.asarray(self._decode(parallel.viewable(players), flat, labels))


def slerp(start: np.ndarray, end: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Spherical interpolation [rows, len(fractions), D] between rows of `start` and `end` [rows, D] (White 2016).

    A straight line between two Gaussian latents passes near the origin, where no training latent ever lies.
    """
    cosine = np.sum(start * end, -1) / (np.linalg.norm(start, axis=-1) * np.linalg.norm(end, axis=-1))
    angle = np.arccos(np.clip(cosine, -1, 1))[:, None, None]
    weight = fractions[None, :, None]
    sine = np.sin(angle)
    # Parallel latents have no circle between them: the straight line is its limit.
    straight = np.abs(sine) < 1e-6
    sine = np.where(straight, 1.0, sine)
    first = np.where(straight, 1 - weight, np.sin((1 - weight) * angle) / sine)
    second = np.where(straight, weight, np.sin(weight * angle) / sine)
    return first * start[:, None] + second * end[:, None]
