"""Regularised autoencoder (RAE, Ghosh et al. 2020): codes without noise, and a density fitted to them afterwards."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import autoencoder_penalties as penalties
from jaxgen.losses import elbo
from jaxgen.losses.likelihoods import gaussian
from jaxgen.models.base import VAE
from jaxgen.ops.random import example_ids, example_normal, example_uniform
from jaxgen.recipes.base import (
    Average,
    Batch,
    Outcome,
    Player,
    Recipe,
    apply_eval,
    apply_train,
    average_over_devices,
    descend,
    init_network,
)
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.vae import model_of
from jaxgen.settings.lookup import unknown
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "VAEs"

PENALTIES = ("decoder_l2", "gradient")
# Decay of the sums behind the codes' mean and covariance: they cover the last hundred batches.
_DECAY = 0.99
# Added to the covariance's diagonal, as a share of the mean variance: it may have less than full rank.
_JITTER = 1e-4


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    model = model_of(config, image_shape, num_classes, gaussian(1.0))
    if not isinstance(model, VAE) or model.conditional:
        raise UserError(
            f"config.model.name={config.model.name!r}: recipe 'rae' needs the encoder and decoder of a VAE without "
            "classes, such as conv_vae"
        )
    settings = config.recipe
    if settings.rae_penalty not in PENALTIES:
        raise UserError(unknown("config.recipe.rae_penalty", settings.rae_penalty, list(PENALTIES)))
    require(settings, "config.recipe", NOT_NEGATIVE, "rae_penalty_weight", "rae_latent_weight")
    tx = optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae")
    recipe = rae(model, tx, image_shape=image_shape, settings=settings)
    has_statistics = jax.tree.leaves(jax.eval_shape(recipe.init, jax.random.key(0))["autoencoder"].stats)
    if settings.rae_penalty == "gradient" and has_statistics:
        raise UserError(
            "config.recipe.rae_penalty='gradient' needs images that depend on their own latents alone. Set "
            "config.model.batch_norm=False"
        )
    return recipe


def rae(
    model: VAE, tx: optax.GradientTransformation, *, image_shape: tuple[int, int, int], settings: ConfigDict
) -> Recipe:
    """RAE recipe from its parts. settings: `config.recipe`. State: `{autoencoder, ema, codes}`.

    The loss is |x - D(E(x))|^2 + a |z|^2 / 2 + b penalty, summed over pixels, with pixels in [-1, 1] (section 3). The
    code is the encoder's first output. Its second output is not used. There is no prior: samples come from a normal
    distribution with the mean and covariance of the averaged encoder's codes (section 4). State `codes` holds them.
    """
    encoder, decoder, latent_dim, _ = model
    penalty, penalty_weight, latent_weight = (
        settings.rae_penalty,
        settings.rae_penalty_weight,
        settings.rae_latent_weight,
    )
    ema_decay = settings.ema_decay

    def init(key):
        key_e, key_d = jax.random.split(key)
        encoder_params, encoder_stats = init_network(encoder, key_e, jnp.zeros((1, *image_shape)))
        decoder_params, decoder_stats = init_network(decoder, key_d, jnp.zeros((1, latent_dim)))
        params = {"encoder": encoder_params, "decoder": decoder_params}
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        # Sums start at one normal code, so that samples exist before the first step.
        codes = {"count": jnp.ones(()), "first": jnp.zeros(latent_dim), "second": jnp.eye(latent_dim)}
        return {"autoencoder": Player.create(params, stats, tx), "ema": Average.start(params, stats), "codes": codes}

    def forward(params, stats, images, key):
        """A pass in training mode: codes, images, the decoder as a function of codes, and statistics."""
        keys = jax.random.split(key)
        (codes, _), encoder_stats = apply_train(encoder, params["encoder"], stats["encoder"], images, key=keys[0])

        def decode(codes):
            return apply_train(decoder, params["decoder"], stats["decoder"], codes, key=keys[1])

        outputs, decoder_stats = decode(codes)
        return codes, outputs, lambda codes: decode(codes)[0], {"encoder": encoder_stats, "decoder": decoder_stats}

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            images, key = part
            codes, outputs, decode, stats = forward(params, stats, images, key)
            error = jnp.sum(jnp.square(images - outputs), axis=tuple(range(1, images.ndim)))
            length = penalties.latent_length(codes)
            if penalty == "decoder_l2":
                value = penalties.squared_parameters(params["decoder"])
            else:
                uniform = example_uniform(jax.random.fold_in(key, 7), example_ids(images.shape[0]), image_shape)
                value = jnp.mean(penalties.squared_slopes(decode, codes, jnp.where(uniform < 0.5, -1.0, 1.0)))
            loss = jnp.mean(error) + latent_weight * jnp.mean(length) + penalty_weight * value
            metrics = {"loss": loss, "reconstruction_loss": jnp.mean(error), "decoder_penalty": value}
            return loss, Outcome(stats, metrics | {"latent_length": jnp.mean(length)})

        player, outcome = descend(loss_fn, state["autoencoder"], tx, (images, keys))

        def refreshed(params, stats):
            return forward(params, stats, images[0], keys[0])[-1]

        ema = state["ema"].follow(player.params, player.stats, ema_decay, refreshed, step)
        codes = encode({"ema": ema}, images[0])[0]
        batch_moments = average_over_devices((jnp.mean(codes, axis=0), codes.T @ codes / codes.shape[0]))
        sums = {"count": jnp.ones(()), "first": batch_moments[0], "second": batch_moments[1]}
        sums = jax.tree.map(lambda old, new: _DECAY * old + new, state["codes"], sums)
        metrics = outcome.metrics | {"weight_norm": optax.tree.norm(player.params)}
        return {"autoencoder": player, "ema": ema, "codes": sums}, metrics

    def encode(state, images):
        """The code and the log-variance of a point."""
        ema = state["ema"]
        codes, _ = apply_eval(encoder, ema.params["encoder"], ema.stats["encoder"], images)
        return codes, jnp.full_like(codes, elbo.POINT)

    def decode(state, latents, labels=None):
        del labels
        ema = state["ema"]
        return jnp.clip(apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], latents), -1, 1)

    def sample(state, key, ids, labels=None):
        mean, covariance = moments(state["codes"])
        noise = example_normal(key, ids, (latent_dim,))
        return decode(state, mean + noise @ jnp.linalg.cholesky(covariance).T, labels)

    def reconstruct(state, images):
        return decode(state, encode(state, images)[0])

    return Recipe(init, update, {"sample": sample, "decode": decode, "reconstruct": reconstruct, "encode": encode})


def moments(codes: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Mean [Z] and covariance [Z, Z], of full rank, from the sums of a state."""
    mean = codes["first"] / codes["count"]
    covariance = codes["second"] / codes["count"] - jnp.outer(mean, mean)
    size = len(mean)
    return mean, covariance + _JITTER * (jnp.trace(covariance) / size + _JITTER) * jnp.eye(size)
