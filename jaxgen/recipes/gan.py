"""Adversarial training (Goodfellow et al. 2014, Algorithm 1): any loss, constraint and number of critic updates."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import AdversarialLoss, loss_of
from jaxgen.models.base import GAN
from jaxgen.ops.layers import SPECTRAL_NORM
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import observations
from jaxgen.recipes.base import (
    Average,
    Batch,
    Outcome,
    Player,
    Recipe,
    Table,
    apply_eval,
    apply_train,
    descend,
    init_network,
)
from jaxgen.recipes.constraints import Constraints, constraints_of
from jaxgen.recipes.gan_settings import check_examples_apart, check_turns, check_vectors
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.tables import layout_for, packed, views_of_table
from jaxgen.settings import checks, lookup

FAMILY = "GANs"

VECTORS = TABLES = True


def build(config, image_shape: tuple[int, ...], num_classes: int, table: Table | None = None) -> Recipe:
    """The recipe of a config.

    Args:
      config: the whole config. Reads `model`, `recipe`, `optimizers`, `steps`, `compute_dtype`.
      image_shape: (H, W, C), or (D,) for vectors.
      num_classes: 0 if the data have no labels.
      table: the encoding of rows of a table. The vectors are then encoded rows.

    Raises:
      UserError: unknown names, impossible combinations.
    """
    settings = config.recipe
    loss = loss_of(settings, with_reals=True)
    check_turns(settings, loss)
    model_module = lookup.module("models", config.model.name, "config.model.name")
    if len(image_shape) == 1:
        check_vectors(config, model_module)
    options = layout_for(model_module, config, table)
    model = model_module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype), **options)
    if not isinstance(model, GAN):
        raise UserError(f"config.model.name={config.model.name!r} is no GAN: recipe 'gan' needs a generator and critic")
    constraint = constraints_of(settings)
    if constraint.penalty is not None:
        check_examples_apart(model, image_shape, settings.penalty)
    if model.pack > 1:
        checks.check_packs(config, model.pack)
    critic_steps = config.steps * settings.n_critic
    return gan(
        model,
        loss,
        constraint,
        optimizer_of(config.optimizers.generator, config.steps, "config.optimizers.generator"),
        optimizer_of(config.optimizers.discriminator, critic_steps, "config.optimizers.discriminator"),
        image_shape=image_shape,
        settings=settings,
        table=table,
    )


def gan(
    model: GAN,
    loss: AdversarialLoss,
    constraint: Constraints,
    tx_g: optax.GradientTransformation,
    tx_d: optax.GradientTransformation,
    *,
    image_shape: tuple[int, ...],
    settings: ConfigDict,
    table: Table | None,
) -> Recipe:
    """Adversarial recipe from its parts. settings: `config.recipe`. State: `{g, d, ema}`."""
    n_critic, generator_batch = settings.n_critic, settings.generator_batch
    share_fakes, ema_decay = settings.share_fakes, settings.ema_decay
    # A generator that is compared with reals gets a batch that the discriminator has not seen yet.
    batches = n_critic + int(loss.generator_sees_reals and not share_fakes)
    observer = observations.Observer(loss.boundary, loss.distance, constraint.penalty is not None)
    generator, discriminator, latent_dim, pack = model

    def init(key):
        key_g, key_d = jax.random.split(key)
        labels = jnp.zeros((1,), jnp.int32)
        params, stats = init_network(generator, key_g, jnp.zeros((1, latent_dim)), labels)
        ema = Average.start(params, stats)
        g = Player.create(params, stats, tx_g)
        judged = (packed(x, pack) for x in (jnp.zeros((pack, *image_shape)), jnp.zeros((pack,), jnp.int32)))
        params, stats = init_network(discriminator, key_d, *judged)
        return {"g": g, "d": Player.create(params, stats, tx_d), "ema": ema}

    def fakes_of(params, stats, key, labels, count):
        latents = example_normal(key, example_ids(count), (latent_dim,))
        return apply_train(generator, params, stats, latents, labels, key=jax.random.fold_in(key, 1))

    def logits_of(params, stats, images, labels, key):
        """Logits, and the statistics after it; the singular vectors of spectral normalisation stay as they are."""
        rest = [name for name in stats if name != SPECTRAL_NORM]
        logits, changed = discriminator.apply(
            {"params": params, **stats}, images, labels, train=True, mutable=rest, rngs={"dropout": key}
        )
        return logits, {**stats, **changed}

    def update_g(g, d, reals, keys, labels, count, step):
        def loss_fn(params, stats, part):
            reals, key, labels = part
            ids = example_ids(count)
            fakes, stats = fakes_of(params, stats, key, labels, count)
            judged = constraint.show_fake(fakes, jax.random.fold_in(key, 4), ids, step)
            judged, labels = packed(judged, pack), packed(labels, pack)
            # The critic's statistics move on its own turn only.
            logits = [logits_of(d.params, d.stats, judged, labels, jax.random.fold_in(key, 2))[0]]
            if loss.generator_sees_reals:  # each fake beside a real of its class
                reals = packed(constraint.show_real(reals, jax.random.fold_in(key, 9), ids, step), pack)
                logits.insert(0, logits_of(d.params, d.stats, reals, labels, jax.random.fold_in(key, 10))[0])
            value = jnp.mean(loss.generator_loss(*logits))
            return value, Outcome(stats, {"loss": value}, fakes)

        return descend(loss_fn, g, tx_g, (reals if loss.generator_sees_reals else None, keys, labels))

    def update_d(d, reals, fakes, keys, labels, step):
        def loss_fn(params, stats, part):
            reals, fakes, key, labels, number = part
            ids = example_ids(reals.shape[0])
            pairs = [observations.thumbnails(images, number, len(keys)) for images in (reals, fakes)]
            plain = [packed(x, pack) for x in (reals, fakes)]
            reals = constraint.show_real(reals, jax.random.fold_in(key, 5), ids, step)
            fakes = constraint.show_fake(fakes, jax.random.fold_in(key, 6), ids, step)
            reals, fakes, labels = (packed(x, pack) for x in (reals, fakes, labels))
            ids = example_ids(reals.shape[0])
            key_real, key_fake = jax.random.split(jax.random.fold_in(key, 3))
            # One power iteration of spectral normalisation an update: in the pass that comes first.
            real_logits, stats = apply_train(discriminator, params, stats, reals, labels, key=key_real)
            fake_logits, stats = logits_of(params, stats, fakes, labels, key_fake)
            value = jnp.mean(loss.discriminator_loss(real_logits, fake_logits))
            metrics = {"loss": value, **observer.of_logits(real_logits, fake_logits)}
            fixed = jax.lax.stop_gradient(params)

            def critic(x, labels):
                return apply_eval(discriminator, fixed, stats, x, labels)

            batch = reals, fakes, labels, jax.random.fold_in(key, 8), ids
            slopes = observer.of_slopes(critic, stats, *batch, number, len(keys))
            if constraint.penalty is not None:
                key_points, key_pass = jax.random.split(jax.random.fold_in(key, 7))
                penalty = constraint.penalize(
                    lambda x: logits_of(params, stats, x, labels, key_pass)[0],
                    (reals, fakes),
                    plain,
                    key_points,
                    ids,
                    step,
                )
                value = value + constraint.penalty_weight * penalty
                metrics["penalty"] = penalty
            return value, Outcome(stats, metrics, averages=(pairs, slopes))

        parts = (reals, jax.lax.stop_gradient(fakes), keys, labels, jnp.arange(len(keys)))
        d, outcome = descend(loss_fn, d, tx_d, parts)
        pairs, slopes = outcome.averages
        metrics = outcome.metrics | {name: jnp.max(value) for name, value in slopes.items()}
        metrics = {f"{name}_d": value for name, value in metrics.items()}
        return constraint.clip(d), metrics | observations.of_pairs(*pairs)

    def critic_step(d, g, reals, labels, key, step):
        parts, count = reals.shape[:2]
        keys = jax.random.split(key, parts)
        fakes = [
            fakes_of(g.params, g.stats, keys[i], None if labels is None else labels[i], count)[0] for i in range(parts)
        ]
        return update_d(d, reals, jnp.stack(fakes), keys, labels, step)

    def update(state, batch: Batch, key, step):
        g, d, images, labels = state["g"], state["d"], batch.images, batch.labels
        parts, count = images.shape[1:3]
        keys = jax.random.split(jax.random.fold_in(key, n_critic), parts)
        labels_g = None if labels is None else labels[-1]
        if share_fakes:
            g, outcome = update_g(g, d, images[0], keys, labels_g, count, step)
            d, metrics_d = update_d(d, images[0], outcome.outputs, keys, labels_g, step)
        else:
            turns = (*jax.tree.map(lambda x: x[:n_critic], (images, labels)), jax.random.split(key, n_critic))
            if n_critic == 1:
                d, metrics_d = critic_step(d, g, *jax.tree.map(lambda x: x[0], turns), step)
            else:
                d, metrics_d = jax.lax.scan(lambda d, turn: critic_step(d, g, *turn, step), d, turns)
                metrics_d = jax.tree.map(lambda x: x[-1], metrics_d)
            repeated = None if labels_g is None else jnp.tile(labels_g, (1, generator_batch))
            g, outcome = update_g(g, d, images[-1], keys, repeated, count * generator_batch, step)
        metrics = metrics_d | {f"{name}_g": value for name, value in outcome.metrics.items()}
        metrics |= {f"weight_norm_{name}": optax.tree.norm(player.params) for name, player in (("g", g), ("d", d))}

        def refreshed(params, stats):
            return fakes_of(params, stats, keys[0], None if labels_g is None else labels_g[0], count)[1]

        ema = state["ema"].follow(g.params, g.stats, ema_decay, refreshed, step)
        return {"g": g, "d": d, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        return apply_eval(generator, state["ema"].params, state["ema"].stats, latents, labels)

    def sample(state, key, ids, labels=None):
        return decode(state, latents(key, ids), labels)

    if table is not None:
        return Recipe(init, update, views_of_table(table, latents, decode, sample), batches=batches)

    def discriminate(state, examples, labels=None):
        return apply_eval(discriminator, state["d"].params, state["d"].stats, examples, labels)

    sampled = "sample" if len(image_shape) == 3 else "points"
    views = {sampled: sample, "latents": latents, "decode": decode, "discriminate": discriminate}
    return Recipe(init, update, views, batches=batches, facts={"discriminate": {"probability": loss.probability}})
