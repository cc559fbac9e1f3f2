"""What a trained state shows: samples, reconstructions and interpolations as uint8 images, on all devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.devices import placement
from jaxgen.ops.pixels import from_uint8, to_uint8
from jaxgen.ops.random import example_uniform
from jaxgen.recipes.base import Recipe
from jaxgen.views.inversion import Budget, Inversion, invert

PyTree = Any
_GOLDEN = (5**0.5 - 1) / 2


class Views:
    """Compiled views of a recipe.

    Args:
      recipe: what was trained.
      mesh: devices to spread batches over.
      num_classes: labels of samples go round all classes; 0 for none.
      class_shares: how often each class is sampled instead, numbers that sum to 1.
    """

    def __init__(self, recipe: Recipe, mesh, num_classes: int, class_shares: tuple[float, ...] = ()):
        self._mesh = mesh
        self._class_edges = np.cumsum(class_shares)
        self._num_classes = num_classes
        self.names = tuple(recipe.views)
        self.probability = recipe.facts.get("discriminate", {}).get("probability", False)

        def sample(players, key, ids, labels):
            return to_uint8(recipe.views["sample"](players, key, ids, labels))

        def points(players, key, ids, labels):
            return recipe.views["points"](players, key, ids, labels).astype(jnp.float32)

        def decode(players, latents, labels):
            shown = recipe.views["decode"](players, latents, labels)
            return shown.astype(jnp.float32) if "points" in recipe.views else to_uint8(shown)

        def discriminate(players, inputs):
            return recipe.views["discriminate"](players, inputs, None).astype(jnp.float32)

        def reconstruct(players, images):
            return to_uint8(recipe.views["reconstruct"](players, from_uint8(images)))

        def encode(players, images):
            return recipe.views["encode"](players, from_uint8(images))

        def log_likelihood(players, images, key, ids, samples):
            return recipe.views["log_likelihood"](players, from_uint8(images), key, ids, samples)

        def path(players, key, ids, epsilon, labels, space, sampling):
            start, end = (recipe.views["latents"](jax.random.fold_in(key, i), ids) for i in (0, 1))
            t = jnp.zeros(ids.shape)
            if sampling == "full":
                t = example_uniform(jax.random.fold_in(key, 2), ids, ())
            fractions = jnp.stack([t, t + epsilon], axis=1)
            if space == "w":
                start, end = (recipe.views["mapping"](players, latents, labels) for latents in (start, end))
                both = start[:, None] + fractions[..., None] * (end - start)[:, None]
                images = (recipe.views["synthesis"](players, both[:, i]) for i in (0, 1))
            else:
                flat = (latents.reshape(len(latents), -1) for latents in (start, end))
                both = slerp(*flat, fractions).reshape(len(start), 2, *start.shape[1:])
                images = (recipe.views["decode"](players, both[:, i], labels) for i in (0, 1))
            return tuple(image.astype(jnp.float32) for image in images)

        def mapping(players, latents, labels):
            return recipe.views["mapping"](players, latents, labels)

        def synthesis(players, ws, noise, key, ids):
            return to_uint8(recipe.views["synthesis"](players, ws, noise, key, ids))

        def project(players, images, key, ids, labels, budget):
            return invert(
                lambda latents: recipe.views["decode"](players, latents, labels).astype(jnp.float32),
                *(recipe.views["latents"], from_uint8(images), key, ids, budget),
            )

        self._sample = jax.jit(sample)
        self._points = jax.jit(points)
        self._discriminate = jax.jit(discriminate)
        self._encode = jax.jit(encode)
        self._log_likelihood = jax.jit(log_likelihood, static_argnums=4)
        self._path = jax.jit(path, static_argnums=(5, 6))
        self._mapping, self._synthesis = jax.jit(mapping), jax.jit(synthesis, static_argnums=2)
        self._recipe = recipe
        self._project = jax.jit(project, static_argnums=5)
        self._decode = jax.jit(decode)
        self._reconstruct = jax.jit(reconstruct)
        self._latents = jax.jit(recipe.views["latents"]) if "latents" in recipe.views else None

    def _labels(self, ids: np.ndarray):
        if not self._num_classes:
            return None
        labels = np.asarray(ids) % self._num_classes
        if len(self._class_edges):
            # Multiples of the golden ratio fill [0, 1) evenly: the shares are right among any number of samples.
            place = (np.asarray(ids) + 0.5) * _GOLDEN % 1 * self._class_edges[-1]
            labels = np.minimum(np.searchsorted(self._class_edges, place, side="right"), self._num_classes - 1)
        return placement.place(self._mesh, labels.astype(np.int32))

    def sample(self, players: PyTree, key, ids: np.ndarray) -> jax.Array:
        """Samples number `ids` of the key, uint8 [n, H, W, C]."""
        ids = np.asarray(ids, np.int32)
        return self._sample(placement.viewable(players), key, placement.place(self._mesh, ids), self._labels(ids))

    def points(self, players: PyTree, key, ids: np.ndarray) -> jax.Array:
        """Generated vectors number `ids` of the key, float32 [n, D] in the data's units."""
        ids = np.asarray(ids, np.int32)
        return self._points(placement.viewable(players), key, placement.place(self._mesh, ids), self._labels(ids))

    def latents(self, key, ids: np.ndarray) -> jax.Array:
        """Latents number `ids` of the key, [n, ...]."""
        return self._latents(key, np.asarray(ids, np.int32))

    def decode(self, players: PyTree, latents: np.ndarray, ids: np.ndarray) -> jax.Array:
        """Images uint8 [n, H, W, C] (or vectors float32 [n, D]) of latents [n, ...]; classes as those of `sample`."""
        placed = placement.place(self._mesh, np.asarray(latents, np.float32))
        return self._decode(placement.viewable(players), placed, self._labels(ids))

    def discriminate(self, players: PyTree, points: np.ndarray) -> np.ndarray:
        """The discriminator's logits [n] for vectors float32 [n, D]; without classes."""
        return np.asarray(self._discriminate(placement.viewable(players), np.asarray(points, np.float32)))

    def reconstruct(self, players: PyTree, images: np.ndarray) -> jax.Array:
        """Reconstructions of uint8 images [n, H, W, C]."""
        return self._reconstruct(placement.viewable(players), placement.place(self._mesh, images))

    def encode(self, players: PyTree, images: np.ndarray) -> tuple[jax.Array, jax.Array]:
        """Posterior mean and log-variance [n, Z] of uint8 images [n, H, W, C]."""
        return self._encode(placement.viewable(players), placement.place(self._mesh, images))

    def log_likelihood(self, players: PyTree, images: np.ndarray, key, ids: np.ndarray, samples: int) -> jax.Array:
        """Bound on the log-likelihood of uint8 images [n, H, W, C] in nats, [n], from `samples` draws each."""
        placed = (placement.place(self._mesh, np.asarray(part)) for part in (images, ids))
        images, ids = placed
        return self._log_likelihood(placement.viewable(players), images, key, ids, samples)

    def mapping(self, players: PyTree, latents: np.ndarray, ids: np.ndarray) -> jax.Array:
        """w [n, D] of latents [n, Z]; classes as those of `sample`."""
        placed = placement.place(self._mesh, np.asarray(latents, np.float32))
        return self._mapping(placement.viewable(players), placed, self._labels(ids))

    def synthesis(self, players: PyTree, ws: np.ndarray, noise: str, key, ids: np.ndarray) -> jax.Array:
        """Images uint8 [n, H, W, C] of styles [n, L, D] or [n, D]; noise: const, none, or random by key and ids."""
        placed = placement.place(self._mesh, np.asarray(ws, np.float32)), noise, key
        return self._synthesis(placement.viewable(players), *placed, placement.place(self._mesh, np.int32(ids)))

    def w_average(self, players: PyTree) -> np.ndarray:
        """The mean of w that truncation pulls towards, [D]."""
        return np.asarray(self._recipe.views["w_average"](placement.viewable(players)))

    def path(
        self, players: PyTree, key, ids: np.ndarray, epsilon: float, space: str = "z", sampling: str = "full"
    ) -> tuple[jax.Array, jax.Array]:
        """Images float32 [n, H, W, C] in [-1, 1] at t and t + epsilon of paths between random latents.

        Args:
          space: "z", great circles; "w", straight lines between what they are mapped to.
          sampling: t is uniform in [0, 1] ("full"), or 0 ("end").
        """
        ids = np.asarray(ids, np.int32)
        placed = placement.place(self._mesh, ids)
        options = np.float32(epsilon), self._labels(ids), space, sampling
        return self._path(placement.viewable(players), key, placed, *options)

    def project(self, players: PyTree, images: np.ndarray, key, ids: np.ndarray, budget: Budget) -> Inversion:
        """Inversions of uint8 images [n, H, W, C], with images as uint8; see `jaxgen.views.inversion`."""
        ids = np.asarray(ids, np.int32)
        placed = placement.place(self._mesh, np.asarray(images)), key, placement.place(self._mesh, ids)
        found = self._project(placement.viewable(players), *placed, self._labels(ids), budget)
        return found._replace(images=to_uint8(found.images))

    def interpolate(self, players: PyTree, key, rows: int, columns: int) -> np.ndarray:
        """Rows of images between two random latents each, along the great circle: [rows * columns, H, W, C]."""
        ids = np.arange(2 * rows, dtype=np.int32)
        latents = np.asarray(self._latents(key, ids), np.float64).reshape(2, rows, -1)
        path = slerp(latents[0], latents[1], np.linspace(0, 1, columns))
        flat = path.reshape(rows * columns, -1).astype(np.float32)
        labels = None if not self._num_classes else np.repeat(ids[:rows] % self._num_classes, columns)
        return np.asarray(self._decode(placement.viewable(players), flat, labels))


def slerp(start, end, fractions):
    """Spherical interpolation between rows of `start` and `end` [rows, D] (White 2016), in NumPy or JAX as they are.

    A straight line between two Gaussian latents passes near the origin, where no training latent ever lies.

    Args:
      fractions: of the way, [T] for all rows or [rows, T] for each its own.

    Returns:
      [rows, T, D].
    """
    xp = jnp if isinstance(start, jax.Array) else np
    norms = xp.linalg.norm(start, axis=-1) * xp.linalg.norm(end, axis=-1)
    angle = xp.arccos(xp.clip(xp.sum(start * end, -1) / norms, -1, 1))[:, None, None]
    weight = xp.broadcast_to(fractions, (len(start), fractions.shape[-1]))[..., None]
    sine = xp.sin(angle)
    # Parallel latents have no circle between them: the straight line is its limit.
    straight = xp.abs(sine) < 1e-6
    sine = xp.where(straight, 1.0, sine)
    first = xp.where(straight, 1 - weight, xp.sin((1 - weight) * angle) / sine)
    second = xp.where(straight, weight, xp.sin(weight * angle) / sine)
    return first * start[:, None] + second * end[:, None]
