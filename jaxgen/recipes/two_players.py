"""The frame of recipes with a generator and a discriminator whose losses see more than one logit of an image.

A recipe describes its objective as a `Game`. This module has what all games share: the turns, the moving average, the
logged numbers and the views of the generator.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import observations
from jaxgen.recipes.base import (
    Average,
    Batch,
    Outcome,
    Player,
    PyTree,
    Recipe,
    apply_eval,
    apply_train,
    descend,
    init_network,
)
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.optimizers import optimizer_of


class Turn(NamedTuple):
    """What a player's loss sees of one part of a batch on one device.

    images, labels: the real examples [n, B, ...] of the step's n batches, with labels [n, B] or None.
    fakes: [B, ...], made of latents [B, Z] and of the labels of the first batch.
    held: the numbers that the game keeps from step to step.
    """

    images: jax.Array
    labels: jax.Array | None
    fakes: jax.Array
    latents: jax.Array
    held: Mapping[str, jax.Array]

    @property
    def reals(self) -> jax.Array:
        """The images of the first batch."""
        return self.images[0]


Loss = Callable[[Judge, Turn], tuple[jax.Array, dict[str, jax.Array]]]


class Game(NamedTuple):
    """An objective of two networks.

    generator: `(latents [B, Z], labels [B] or None, train) -> images`. discriminator: `(images, train) -> outputs`.
    latents: `(key, ids [n]) -> [n, Z]`.
    discriminator_loss, generator_loss: `(judge, turn) -> loss, {name: scalar}`, means over the part's examples.
    held: first values of numbers that the game keeps from step to step, by name. `keep` changes them:
      `(held, metrics of g, metrics of d) -> held, {name: scalar to log}`. All metrics are means over the whole batch.
    """

    generator: nn.Module
    discriminator: nn.Module
    latents: Callable[[jax.Array, jax.Array], jax.Array]
    discriminator_loss: Loss
    generator_loss: Loss
    held: Mapping[str, float] = {}
    keep: Callable | None = None


def recipe_of(game: Game, config: ConfigDict, image_shape: tuple[int, int, int], **fields) -> Recipe:
    """The recipe of a game. State: `{g, d, ema}` and the numbers in `game.held`.

    With `config.recipe.share_fakes` the generator goes first, and the discriminator sees the same fakes. Without it,
    the discriminator goes first, and each turn has fakes of its own.

    Args:
      config: reads `steps`, `optimizers`, and `ema_decay` and `share_fakes` of `recipe`.
      fields: further fields of the recipe. `views` are added to those of the generator.
    """
    generator, discriminator = game.generator, game.discriminator
    ema_decay, share_fakes = config.recipe.ema_decay, config.recipe.share_fakes
    tx_g, tx_d = (
        optimizer_of(config.optimizers[name], config.steps, f"config.optimizers.{name}")
        for name in ("generator", "discriminator")
    )

    def init(key):
        key_g, key_d = jax.random.split(key)
        first = jnp.zeros_like(game.latents(key_g, jnp.zeros((1,), jnp.int32)))
        params, stats = init_network(generator, key_g, first, jnp.zeros((1,), jnp.int32))
        ema = Average.start(params, stats)
        g = Player.create(params, stats, tx_g)
        d = Player.create(*init_network(discriminator, key_d, jnp.zeros((1, *image_shape))), tx_d)
        return {"g": g, "d": d, "ema": ema, **{name: jnp.float32(value) for name, value in game.held.items()}}

    def fakes_of(params, stats, key, labels, count):
        latents = game.latents(key, example_ids(count))
        labels = None if labels is None else labels[0]
        fakes, stats = apply_train(generator, params, stats, latents, labels, key=jax.random.fold_in(key, 1))
        return fakes, latents, stats

    def turn_of_g(g, d, held, keys, images, labels):
        def loss_fn(params, stats, part):
            key, images, labels = part
            fakes, latents, stats = fakes_of(params, stats, key, labels, images.shape[1])
            judge = Judge(discriminator, d.params, d.stats, jax.random.fold_in(key, 2), own_turn=False)
            loss, metrics = game.generator_loss(judge, Turn(images, labels, fakes, latents, held))
            # The discriminator's statistics move on its own turn only.
            return loss, Outcome(stats, {"loss": loss, **metrics}, (fakes, latents))

        return descend(loss_fn, g, tx_g, (keys, images, labels))

    def turn_of_d(d, held, keys, images, labels, made):
        def loss_fn(params, stats, part):
            key, images, labels, (fakes, latents), number = part
            judge = Judge(discriminator, params, stats, jax.random.fold_in(key, 3), own_turn=True)
            loss, metrics = game.discriminator_loss(judge, Turn(images, labels, fakes, latents, held))
            pairs = [observations.thumbnails(shown, number, len(keys)) for shown in (images[0], fakes)]
            return loss, Outcome(judge.stats, {"loss": loss, **metrics}, averages=pairs)

        parts = keys, images, labels, jax.lax.stop_gradient(made), jnp.arange(len(keys))
        return descend(loss_fn, d, tx_d, parts)

    def made_by(g, keys, labels, count):
        made = []
        for i, key in enumerate(keys):
            of_part = None if labels is None else labels[i]
            made.append(fakes_of(g.params, g.stats, key, of_part, count)[:2])
        return jax.tree.map(lambda *parts: jnp.stack(parts), *made)

    def update(state, batch: Batch, key, step):
        g, d, held = state["g"], state["d"], {name: state[name] for name in game.held}
        # The parts come first: [parts, n, B, ...].
        images, labels = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), (batch.images, batch.labels))
        parts, _, count = images.shape[:3]
        keys = jax.random.split(jax.random.fold_in(key, 1), parts)
        if share_fakes:
            g, of_g = turn_of_g(g, d, held, keys, images, labels)
            d, of_d = turn_of_d(d, held, keys, images, labels, of_g.outputs)
        else:
            keys_d = jax.random.split(jax.random.fold_in(key, 2), parts)
            d, of_d = turn_of_d(d, held, keys_d, images, labels, made_by(g, keys_d, labels, count))
            g, of_g = turn_of_g(g, d, held, keys, images, labels)
        metrics = observations.of_pairs(*of_d.averages)
        if game.keep is not None:
            held, logged = game.keep(held, of_g.metrics, of_d.metrics)
            metrics |= logged
        for name, player, outcome in (("g", g, of_g), ("d", d, of_d)):
            metrics |= {f"{key}_{name}": value for key, value in outcome.metrics.items()}
            metrics[f"weight_norm_{name}"] = optax.tree.norm(player.params)

        def refreshed(params, stats):
            return fakes_of(params, stats, keys[0], None if labels is None else labels[0], count)[2]

        ema = state["ema"].follow(g.params, g.stats, ema_decay, refreshed, step)
        return {"g": g, "d": d, "ema": ema, **held}, metrics

    def decode(state, latents, labels=None):
        images = apply_eval(generator, state["ema"].params, state["ema"].stats, latents, labels)
        return jnp.clip(images, -1, 1)

    def sample(state, key, ids, labels=None):
        return decode(state, game.latents(key, ids), labels)

    def latents(key, ids):
        return game.latents(key, ids)

    views = {"sample": sample, "latents": latents, "decode": decode, **fields.pop("views", {})}
    return Recipe(init, update, views, **fields)


def judged(game: Game, state: PyTree, images: jax.Array) -> PyTree:
    """The present discriminator's output for images, with its running statistics. For views."""
    return apply_eval(game.discriminator, state["d"].params, state["d"].stats, images)


def normal_latents(key: jax.Array, ids: jax.Array, latent_dim: int) -> jax.Array:
    """Standard normal latents [n, latent_dim], each from its id alone."""
    return example_normal(key, ids, (latent_dim,))
