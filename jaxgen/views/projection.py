"""Projection: finds the latents whose images come closest to given images, by a fixed number of gradient steps.

A GAN has no encoder, so PSNR and SSIM of "reconstructions" need a search. StyleGAN2's projector (Karras et al. 2020,
appendix D) searches in W with LPIPS. Here the search is in z, with squared error on pixels, for any model with
`latents` and `decode`. All models get the same steps and restarts, so that they can be compared.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class ProjectionBudget(NamedTuple):
    """steps: Adam steps of each restart. restarts: searches from different random latents, of which the best counts."""

    steps: int
    restarts: int
    learning_rate: float


class Projection(NamedTuple):
    """latents [n, ...], images [n, H, W, C] in [-1, 1], and error [n], their mean squared error."""

    latents: jax.Array
    images: jax.Array
    error: jax.Array


def project(
    decode: Callable[[Any], jax.Array],
    latents: Callable[[jax.Array, jax.Array], Any],
    targets,
    key,
    ids,
    budget: ProjectionBudget,
) -> Projection:
    """The best projection of each target within the budget.

    Args:
      decode: latents [n, ...] -> images [n, H, W, C] in [-1, 1].
      latents: (key, ids [n]) -> starting latents [n, ...] of the prior.
      targets: images [n, H, W, C] in [-1, 1].
      key, ids: the source of the starting points. Each image's search depends on its own id only.
    """
    # The rate falls along a cosine, and rises over the first 5%: as in the projector of StyleGAN2.
    warmup = max(budget.steps // 20, 1)
    schedule = optax.warmup_cosine_decay_schedule(0.0, budget.learning_rate, warmup, budget.steps)
    tx = optax.adam(schedule)

    def errors(z):
        return jnp.mean(jnp.square(decode(z) - targets), axis=(1, 2, 3))

    def loss(z):
        values = errors(z)
        return jnp.sum(values), values  # a sum: every image has its own gradient, whatever the batch

    def search(restart):
        start = latents(jax.random.fold_in(key, restart), ids)

        def step(carry, _):
            z, opt_state, best, best_error = carry
            (_, values), gradient = jax.value_and_grad(loss, has_aux=True)(z)
            better = values < best_error
            best = jnp.where(better.reshape(-1, *[1] * (z.ndim - 1)), z, best)
            updates, opt_state = tx.update(gradient, opt_state)
            return (optax.apply_updates(z, updates), opt_state, best, jnp.minimum(values, best_error)), None

        infinite = jnp.full(targets.shape[0], jnp.inf)
        (z, _, best, best_error), _ = jax.lax.scan(
            step, (start, tx.init(start), start, infinite), None, length=budget.steps
        )
        last = errors(z)
        better = last < best_error
        return jnp.where(better.reshape(-1, *[1] * (z.ndim - 1)), z, best), jnp.minimum(last, best_error)

    searched, error = jax.lax.map(search, jnp.arange(budget.restarts))
    winner = jnp.argmin(error, axis=0)
    best = jnp.take_along_axis(searched, winner.reshape(1, -1, *[1] * (searched.ndim - 2)), axis=0)[0]
    return Projection(best, decode(best), jnp.min(error, axis=0))
