"""R3GAN's training (Huang et al. 2024): a loss of pairs, R1 and R2 in every step, and schedules over the first images.

A step updates the discriminator and then the generator, each with fresh latents and fresh reals. The fakes have the
classes of the reals beside them. Reals and fakes are augmented apart. Both penalties are about gradients with respect
to the images before augmentation.
"""

import math

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import AdversarialLoss, loss_of
from jaxgen.losses.penalties import r1_and_logits
from jaxgen.models.base import GAN
from jaxgen.ops import ada
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import observations
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_eval, descend, init_network
from jaxgen.settings import lookup
from jaxgen.settings.number_ranges import NOT_NEGATIVE, POSITIVE, SHARE, require

FAMILY = "R3GAN"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    module = lookup.module("models", config.model.name, "config.model.name")
    model = module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype))
    settings = config.recipe
    require(settings, "config.recipe", POSITIVE, "burn_in_kimg")
    require(settings, "config.recipe", NOT_NEGATIVE, "r1_gamma", "final_r1_gamma", "final_learning_rate", "ema_kimg")
    require(settings, "config.recipe", SHARE, "final_b2")
    for key in ("ada_initial_p", "final_augment_p"):
        if not 0 <= settings[key] <= 1:
            raise UserError(f"config.recipe.{key}={settings[key]}: it must lie between 0 and 1")
    _check_model(config, model, image_shape)
    loss = loss_of(settings, with_reals=True)
    tx_g, tx_d = (_optimizer(config, player) for player in ("generator", "discriminator"))
    return r3gan(model, loss, tx_g, tx_d, image_shape=image_shape, batch_size=config.batch_size, settings=settings)


def _check_model(config, model, image_shape) -> None:
    """Refuses networks whose statistics would mix the examples of a batch, and images that cannot be augmented."""
    name = config.model.name
    if not isinstance(model, GAN):
        raise UserError(f"config.model.name={name!r} is no GAN, but recipe 'r3gan' needs a generator and discriminator")
    labels, images = jnp.zeros((1,), jnp.int32), jnp.zeros((1, *image_shape))
    for network, x in ((model.generator, jnp.zeros((1, model.latent_dim))), (model.discriminator, images)):
        stats = jax.eval_shape(lambda key, n=network, x=x: init_network(n, key, x, labels)[1], jax.random.key(0))
        if stats:
            raise UserError(
                f"config.model.name={name!r} has {', '.join(stats)}, but recipe 'r3gan' is for networks without "
                "normalisation. Use model.name=r3gan, or recipe.name=gan with penalty=r1_r2"
            )
    if (config.recipe.ada_initial_p or config.recipe.final_augment_p) and image_shape[-1] not in (1, 3):
        raise UserError(f"config.recipe.final_augment_p: images have {image_shape[-1]} channels, but it takes 1 or 3")


def burn_in(start: float, end: float, images: jax.Array, kimg: float) -> jax.Array:
    """A setting after `images` images: half a cosine from `start` to `end` over `kimg` thousand images, then `end`."""
    done = jnp.clip(images / (1000 * kimg), 0, 1)
    return end + (start - end) * 0.5 * (1 + jnp.cos(math.pi * done))


def _optimizer(config, player: str) -> optax.GradientTransformation:
    """Adam, whose learning rate and decay of squares follow `burn_in`. Each step has one update of each player.

    As in PyTorch, the correction of the second moment's bias takes the present decay for all steps.
    """
    settings, recipe = config.optimizers[player], config.recipe
    usual = {"name": "adam", "schedule": "constant", "warmup_steps": 0, "clip_norm": 0.0, "weight_decay": 0.0}
    for key, value in usual.items():
        if settings[key] != value:
            raise UserError(
                f"config.optimizers.{player}.{key}={settings[key]!r}: recipe 'r3gan' has Adam with schedules of its "
                f"own. Leave it {value!r}"
            )

    def over_updates(start, end):
        batch_size, kimg = config.batch_size, recipe.burn_in_kimg
        return lambda count: burn_in(start, end, count * float(batch_size), kimg)

    adam = optax.inject_hyperparams(optax.adam, static_args=("b1", "eps", "eps_root", "mu_dtype", "nesterov"))
    rate = over_updates(settings.learning_rate, recipe.final_learning_rate)
    return adam(rate, b1=settings.b1, b2=over_updates(settings.b2, recipe.final_b2), eps=settings.eps)


def r3gan(
    model: GAN,
    loss: AdversarialLoss,
    tx_g: optax.GradientTransformation,
    tx_d: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    batch_size: int,
    settings: ConfigDict,
) -> Recipe:
    """The recipe from its parts. settings: `config.recipe`. State: `{g, d, ema}`."""
    generator, discriminator, latent_dim = model.generator, model.discriminator, model.latent_dim
    observer = observations.Observer(loss.boundary, loss.distance)
    gammas, strengths = (settings.r1_gamma, settings.final_r1_gamma), (settings.ada_initial_p, settings.final_augment_p)
    kimg, ema_kimg = settings.burn_in_kimg, settings.ema_kimg

    def init(key):
        key_g, key_d = jax.random.split(key)
        labels = jnp.zeros((1,), jnp.int32)
        params, stats = init_network(generator, key_g, jnp.zeros((1, latent_dim)), labels)
        g, ema = Player.create(params, stats, tx_g), Average.start(params, stats)
        params, stats = init_network(discriminator, key_d, jnp.zeros((1, *image_shape)), labels)
        return {"g": g, "d": Player.create(params, stats, tx_d), "ema": ema}

    def fakes_of(params, key, labels, count):
        latents = example_normal(key, example_ids(count), (latent_dim,))
        return generator.apply({"params": params}, latents, labels, train=True)

    def augmented(images, key, p):
        """ADA's pipeline without filters and noise. Changes of colour are half as frequent as the others."""
        if not any(strengths):
            return images
        ids = example_ids(images.shape[0])
        images = ada.augment(images, key, ids, p, (ada.BLIT, ada.GEOMETRY))
        images = ada.augment(images, key, ids, p / 2, (ada.COLOR,))
        return ada.augment(images, key, ids, p, (ada.CUTOUT,))

    def critic_of(params, labels, key, p):
        return lambda x: discriminator.apply({"params": params}, augmented(x, key, p), labels, train=True)

    def update_d(d, g, reals, labels, keys, gamma, p):
        def loss_fn(params, stats, part):
            reals, labels, key, number = part
            key_latents, key_real, key_fake = jax.random.split(key, 3)
            fakes = jax.lax.stop_gradient(fakes_of(g.params, key_latents, labels, reals.shape[0]))
            pairs = [observations.thumbnails(images, number, len(keys)) for images in (reals, fakes)]
            r1, real_logits = r1_and_logits(critic_of(params, labels, key_real, p), reals)
            r2, fake_logits = r1_and_logits(critic_of(params, labels, key_fake, p), fakes)
            r1, r2 = jnp.mean(r1), jnp.mean(r2)
            value = jnp.mean(loss.discriminator_loss(real_logits, fake_logits))
            metrics = {
                "loss": value,
                "r1_penalty": r1,
                "r2_penalty": r2,
                **observer.of_logits(real_logits, fake_logits),
            }
            metrics["accuracy_pairs"] = jnp.mean(real_logits > fake_logits, dtype=jnp.float32)
            return value + gamma * (r1 + r2), Outcome(stats, metrics, averages=pairs)

        d, outcome = descend(loss_fn, d, tx_d, (reals, labels, keys, jnp.arange(len(keys))))
        return d, outcome.metrics, observations.of_pairs(*outcome.averages)

    def update_g(g, d, reals, labels, keys, p):
        def loss_fn(params, stats, part):
            reals, labels, key = part
            key_latents, key_real, key_fake = jax.random.split(key, 3)
            fakes = fakes_of(params, key_latents, labels, reals.shape[0])
            logits = [critic_of(d.params, labels, key_fake, p)(fakes)]
            if loss.generator_sees_reals:
                logits.insert(0, critic_of(d.params, labels, key_real, p)(reals))
            value = jnp.mean(loss.generator_loss(*logits))
            return value, Outcome(stats, {"loss": value})

        return descend(loss_fn, g, tx_g, (reals, labels, keys))

    def update(state, batch: Batch, key, step):
        g, d, images = state["g"], state["d"], batch.images
        labels_d, labels_g = (None, None) if batch.labels is None else batch.labels
        keys_d, keys_g = (jax.random.split(jax.random.fold_in(key, i), images.shape[1]) for i in range(2))
        seen = step * float(batch_size)

        gamma, p = (burn_in(*ends, seen, kimg) for ends in (gammas, strengths))
        d, metrics_d, pairs = update_d(d, g, images[0], labels_d, keys_d, gamma, p)
        g, outcome = update_g(g, d, images[1], labels_g, keys_g, p)
        metrics = pairs | {"gamma": gamma, "augmentation_p": p, "kimg": (seen + batch_size) / 1000}
        for name, player, found in (("g", g, outcome.metrics), ("d", d, metrics_d)):
            metrics |= {f"{key}_{name}": value for key, value in found.items()}
            metrics[f"weight_norm_{name}"] = optax.tree.norm(player.params)
        ema = averaged(state["ema"], g, burn_in(0.0, 1000.0 * ema_kimg, seen, kimg))
        return {"g": g, "d": d, "ema": ema}, metrics

    def averaged(ema, g, half_life):
        """The average after a step. Its half-life counts images."""
        if not ema_kimg:
            return Average(g.params, g.stats)
        decay = 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8))
        return Average(jax.tree.map(lambda a, p: p + decay * (a - p), ema.params, g.params), g.stats)

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        return apply_eval(generator, state["ema"].params, state["ema"].stats, latents, labels)

    def sample(state, key, ids, labels=None):
        return decode(state, latents(key, ids), labels)

    def discriminate(state, examples, labels=None):
        return apply_eval(discriminator, state["d"].params, state["d"].stats, examples, labels)

    views = {"sample": sample, "latents": latents, "decode": decode, "discriminate": discriminate}
    # The second batch is the generator's.
    return Recipe(init, update, views, batches=2, facts={"discriminate": {"probability": loss.probability}})
