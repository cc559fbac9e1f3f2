"""Paths between latents: spherical interpolation, and the pairs of near images that path lengths are measured on."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops.random import example_uniform


def near_images(views: Mapping[str, Callable]) -> Callable:
    """`(state, key, ids, epsilon, labels, space="z", sampling="full")` -> images at t and t + epsilon of random paths.

    Images are [n, H, W, C] in [-1, 1]. Paths lead between two random latents each.

    space: "z", great circles; "w", straight lines between what the latents are mapped to.
    sampling: t is uniform in [0, 1] ("full"), or 0 ("end").

    Args:
      views: of a recipe: latents and decode; for "w" mapping and synthesis.
    """

    def path(state, key, ids, epsilon, labels, space="z", sampling="full"):
        start, end = (views["latents"](jax.random.fold_in(key, i), ids) for i in (0, 1))
        t = jnp.zeros(ids.shape)
        if sampling == "full":
            t = example_uniform(jax.random.fold_in(key, 2), ids, ())
        fractions = jnp.stack([t, t + epsilon], axis=1)
        if space == "w":
            start, end = (views["mapping"](state, latents, labels) for latents in (start, end))
            both = start[:, None] + fractions[..., None] * (end - start)[:, None]
            return tuple(views["synthesis"](state, both[:, i]) for i in (0, 1))
        flat = (latents.reshape(len(latents), -1) for latents in (start, end))
        both = slerp(*flat, fractions).reshape(len(start), 2, *start.shape[1:])
        return tuple(views["decode"](state, both[:, i], labels) for i in (0, 1))

    return path


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
