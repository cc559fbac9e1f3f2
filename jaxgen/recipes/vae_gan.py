"""VAE-GAN (Larsen et al. 2016): a VAE whose reconstruction error is measured in the features of a discriminator."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.losses import elbo
from jaxgen.models.vae_gan import VAEGAN
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.adversary import (
    Adversary,
    adversary_of,
    code_of,
    evaluated,
    init_networks,
    named,
    networks_of,
    views_of,
)
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_train, descend
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "GANs with an encoder or a partner"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    require(config.recipe, "config.recipe", NOT_NEGATIVE, "feature_weight", "beta")
    model = networks_of(config, image_shape, num_classes, VAEGAN)
    adversary = adversary_of(config, model.discriminator, (jnp.zeros((1, *image_shape)),), config.steps)
    tx_e = optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae")
    tx_g = optimizer_of(config.optimizers.generator, config.steps, "config.optimizers.generator")
    return vae_gan(model, adversary, tx_e, tx_g, image_shape=image_shape, settings=config.recipe)


def feature_error(features: jax.Array, target: jax.Array) -> jax.Array:
    """-log of the Gaussian density of `target` around `features`, of variance 1, without its constant: [B] nats."""
    return 0.5 * jnp.sum(jnp.square(features - target), axis=tuple(range(1, features.ndim)))


def vae_gan(
    model: VAEGAN,
    adversary: Adversary,
    tx_e: optax.GradientTransformation,
    tx_g: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """VAE-GAN recipe from its parts. settings: `config.recipe`. State: `{encoder, g, d, ema}`.

    Each network has a loss of its own (Larsen et al. 2016, Algorithm 1). All three see the networks as they were
    before the step:

    - encoder: `beta` * KL to the prior + the feature error of reconstructions,
    - generator: `feature_weight` (gamma) * that error + the generator's loss of reconstructions and of samples,
    - discriminator: real images against reconstructions and samples, no feature error.
    """
    encoder, generator, latent_dim = model.encoder, model.generator, model.latent_dim
    beta, feature_weight, ema_decay = settings.beta, settings.feature_weight, settings.ema_decay

    def init(key):
        key_v, key_d = jax.random.split(key)
        image, latent = jnp.zeros((1, *image_shape)), jnp.zeros((1, latent_dim))
        params, stats = init_networks(key_v, encoder=(encoder, image), generator=(generator, latent))
        return {
            "encoder": Player.create(params["encoder"], stats["encoder"], tx_e),
            "g": Player.create(params["generator"], stats["generator"], tx_g),
            "d": adversary.start(key_d, image),
            "ema": Average.start(params, stats),
        }

    def encode_batch(params, stats, images, key):
        """The encoder's Gaussians, draws from them, and its statistics."""
        key_network, key_code = jax.random.split(key)
        encoded, stats = apply_train(encoder, params, stats, images, key=key_network)
        return encoded, code_of(encoded, key_code, example_ids(images.shape[0]), True), stats

    def judged(d, images, key):
        """Logits and features of images. The discriminator's statistics move on its own turn only."""
        return adversary.judge(d, key)(images)

    def update_encoder(player, g, d, images, keys):
        def loss_fn(params, stats, part):
            images, key = part
            keys = jax.random.split(key, 4)
            (mean, log_variance), codes, stats = encode_batch(params, stats, images, keys[0])
            restored, _ = apply_train(generator, g.params, g.stats, codes, key=keys[1])
            target = judged(d, images, keys[2])[1]
            error = jnp.mean(feature_error(judged(d, restored, keys[3])[1], target))
            kl = jnp.mean(jnp.sum(elbo.kl_to_standard_normal(mean, log_variance), axis=-1))
            loss = beta * kl + error
            return loss, Outcome(stats, {"loss": loss, "kl": kl, "feature_error": error}, (codes, target))

        return descend(loss_fn, player, tx_e, (images, keys))

    def update_generator(player, d, codes, targets, keys):
        def loss_fn(params, stats, part):
            codes, target, key = part
            keys = jax.random.split(jax.random.fold_in(key, 8), 5)
            prior = example_normal(keys[0], example_ids(codes.shape[0]), (latent_dim,))
            restored, stats = apply_train(generator, params, stats, codes, key=keys[1])
            # The running statistics end with samples, which is what the generator is for.
            fakes, stats = apply_train(generator, params, stats, prior, key=keys[2])
            logits, features = judged(d, restored, keys[3])
            values = [adversary.loss.generator_loss(x) for x in (logits, judged(d, fakes, keys[4])[0])]
            fooling = jnp.mean(jnp.stack(values))
            loss = feature_weight * jnp.mean(feature_error(features, target)) + fooling
            return loss, Outcome(stats, {"loss": loss, "adversarial": fooling}, (restored, fakes))

        return descend(loss_fn, player, tx_g, (codes, targets, keys))

    def update(state, batch: Batch, key, step):
        g, d, images = state["g"], state["d"], batch.images[0]
        keys = jax.random.split(key, images.shape[0])
        player, of_encoder = update_encoder(state["encoder"], g, d, images, keys)
        codes, targets = of_encoder.outputs
        g, of_generator = update_generator(g, d, codes, targets, keys)
        restored, fakes = of_generator.outputs
        d, metrics = adversary.learn(d, (images,), [(fakes,), (restored,)], keys)
        metrics |= named(of_encoder.metrics, "encoder") | named(of_generator.metrics, "g")
        norms = {"encoder": player.params, "g": g.params}
        metrics |= {f"weight_norm_{name}": optax.tree.norm(params) for name, params in norms.items()}

        def refreshed(params, stats):
            _, _, stats_e = encode_batch(params["encoder"], stats["encoder"], images[0], keys[0])
            prior = example_normal(keys[0], example_ids(images.shape[1]), (latent_dim,))
            _, stats_g = apply_train(generator, params["generator"], stats["generator"], prior, key=keys[0])
            return {"encoder": stats_e, "generator": stats_g}

        params, stats = ({"encoder": getattr(player, x), "generator": getattr(g, x)} for x in ("params", "stats"))
        ema = state["ema"].follow(params, stats, ema_decay, refreshed, step)
        return {"encoder": player, "g": g, "d": d, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        del labels
        return evaluated(state, "generator", generator, latents)

    def encode(state, images):
        return evaluated(state, "encoder", encoder, images)

    return Recipe(init, update, views_of(latents, decode, encode))
