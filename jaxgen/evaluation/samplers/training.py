"""Training of the small networks of samplers: minibatches of latents, Adam, and latents that are held out."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgen.errors import UserError
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

log = logging.getLogger(__name__)
_BATCH = 256
_LEARNING_RATE = 1e-3
_INTERVAL = 100  # updates between two looks at the latents held out
_HELD_OUT = 10  # one of this number of latents is held out
_FEWEST = 20


def facts(settings) -> dict:
    """The settings that change a fit, checked."""
    require(settings, "config.evaluation", AT_LEAST_ONE, "sampler_steps", "sampler_width")
    return {"steps_of_fit": settings.sampler_steps, "width_of_fit": settings.sampler_width}


def best(
    loss: Callable, params: Any, latents: np.ndarray, steps: int, seed: int, name: str
) -> tuple[Any, dict[str, float]]:
    """Parameters after training, those with the least loss on latents that were held out, and facts about the fit.

    Args:
      loss: `(params, latents [B, Z], key) -> scalar`, the mean over the latents.
      params: the parameters to start from.
      latents: [N, Z]. A tenth is held out.
      steps: updates.
      seed: the seed of the batches, of the noise and of the division.
      name: the sampler's name, for errors.

    Raises:
      UserError: too few latents, or a loss that is not finite.
    """
    if len(latents) < _FEWEST:
        raise UserError(
            f"latent sampler {name!r}: {len(latents)} training images are too few, it needs {_FEWEST}. "
            "Raise config.evaluation.sampler_images"
        )
    order = np.random.default_rng(seed).permutation(len(latents))
    held_out, train = (jnp.asarray(latents[part]) for part in np.split(order, [len(latents) // _HELD_OUT]))
    tx = optax.adam(_LEARNING_RATE)

    @partial(jax.jit, static_argnums=3)
    def advance(params, state, key, count):
        def body(carry, key):
            params, state = carry
            key_batch, key_loss = jax.random.split(key)
            rows = jax.random.randint(key_batch, (min(_BATCH, len(train)),), 0, len(train))
            grads = jax.grad(loss)(params, train[rows], key_loss)
            updates, state = tx.update(grads, state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(body, (params, state), jax.random.split(key, count))[0]

    key, state = jax.random.key(seed), tx.init(params)
    key_held_out = jax.random.fold_in(key, steps)
    measure = jax.jit(loss)
    least, kept, kept_at, done = np.inf, params, 0, 0
    while done < steps:
        count = min(_INTERVAL, steps - done)
        params, state = advance(params, state, jax.random.fold_in(key, done), count)
        done += count
        value = float(measure(params, held_out, key_held_out))
        if value < least:
            least, kept, kept_at = value, params, done
    if not np.isfinite(least):
        raise UserError(f"latent sampler {name!r}: its loss is not finite. Look at the latents of this run")
    log.info("latent sampler %r: loss %.4f on latents held out, after %d of %d updates", name, least, kept_at, steps)
    return kept, {"held_out_loss": round(least, 6), "best_step_of_fit": kept_at}
