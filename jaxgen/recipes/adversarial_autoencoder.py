"""Adversarial autoencoder (Makhzani et al. 2016) and WAE-GAN (Tolstikhin et al. 2018).

A discriminator of latents takes the place of the KL term: the codes of all images together come to look like the prior.
"""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses.likelihoods import Likelihood, likelihood_of
from jaxgen.models.base import VAE
from jaxgen.models.image_parts import LatentCritic
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.adversary import (
    Adversary,
    adversary_of,
    code_of,
    evaluated,
    init_networks,
    shown_encoding,
    views_of,
)
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_train, descend
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.vae import model_of
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

FAMILY = "GANs with an encoder or a partner"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    likelihood = likelihood_of(config.recipe, None)
    model = model_of(config, image_shape, num_classes, likelihood)
    if not isinstance(model, VAE) or model.conditional:
        raise UserError(
            f"config.model.name={config.model.name!r} is no VAE without classes, which recipe "
            "'adversarial_autoencoder' needs"
        )
    require(config.recipe, "config.recipe", AT_LEAST_ONE, "critic_width")
    require(config.recipe, "config.recipe", NOT_NEGATIVE, "critic_layers", "adversary_weight")
    critic = LatentCritic(config.recipe.critic_width, config.recipe.critic_layers)
    adversary = adversary_of(config, critic, (jnp.zeros((1, model.latent_dim)),), config.steps)
    tx = optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae")
    return adversarial_autoencoder(model, likelihood, adversary, tx, image_shape=image_shape, settings=config.recipe)


def adversarial_autoencoder(
    model: VAE,
    likelihood: Likelihood,
    adversary: Adversary,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """The recipe from its parts. settings: `config.recipe`. State: `{vae, d, ema}`.

    Encoder and decoder minimise -log p(x|z), in nats per image, plus `adversary_weight` times the generator's loss of
    the codes. The discriminator then learns from the same codes. For it, draws of the prior are real.
    """
    encoder, decoder, latent_dim = model.encoder, model.decoder, model.latent_dim
    stochastic, ema_decay = not settings.deterministic_encoder, settings.ema_decay
    weight = settings.adversary_weight

    def init(key):
        key_v, key_d = jax.random.split(key)
        image, latent = jnp.zeros((1, *image_shape)), jnp.zeros((1, latent_dim))
        params, stats = init_networks(key_v, encoder=(encoder, image), decoder=(decoder, latent))
        params["likelihood"] = likelihood.init()
        vae = Player.create(params, stats, tx)
        return {"vae": vae, "d": adversary.start(key_d, latent), "ema": Average.start(params, stats)}

    def forward(params, stats, images, key):
        """Codes, the log-likelihood [B] of the images given them, and the statistics after it."""
        keys, ids = jax.random.split(key, 4), example_ids(images.shape[0])
        observed = likelihood.observe(images, keys[0], ids)
        encoded, stats_e = apply_train(encoder, params["encoder"], stats["encoder"], observed, key=keys[1])
        codes = code_of(encoded, keys[2], ids, stochastic)
        outputs, stats_d = apply_train(decoder, params["decoder"], stats["decoder"], codes, key=keys[3])
        log_likelihood = likelihood.log_prob(params["likelihood"], outputs, observed)
        return codes, log_likelihood, {"encoder": stats_e, "decoder": stats_d}

    def update(state, batch: Batch, key, step):
        d, images = state["d"], batch.images[0]
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            images, key = part
            codes, log_likelihood, stats = forward(params, stats, images, key)
            logits = adversary.judge(d, jax.random.fold_in(key, 4))(codes)
            fooling, fit = jnp.mean(adversary.loss.generator_loss(logits)), jnp.mean(log_likelihood)
            loss = weight * fooling - fit
            prior = example_normal(jax.random.fold_in(key, 5), example_ids(images.shape[0]), (latent_dim,))
            metrics = {"loss": loss, "log_likelihood": fit, "adversarial": fooling}
            return loss, Outcome(stats, metrics, (codes, prior))

        vae, outcome = descend(loss_fn, state["vae"], tx, (images, keys))
        codes, prior = outcome.outputs
        d, metrics = adversary.learn(d, (prior,), [(codes,)], keys)
        metrics = outcome.metrics | metrics | {"weight_norm": optax.tree.norm(vae.params)}

        def refreshed(params, stats):
            return forward(params, stats, images[0], keys[0])[-1]

        ema = state["ema"].follow(vae.params, vae.stats, ema_decay, refreshed, step)
        return {"vae": vae, "d": d, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        del labels
        return likelihood.mean(evaluated(state, "decoder", decoder, latents))

    def encode(state, images):
        return shown_encoding(evaluated(state, "encoder", encoder, images), stochastic)

    return Recipe(init, update, views_of(latents, decode, encode))
