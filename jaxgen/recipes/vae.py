"""Variational autoencoders (Kingma and Welling 2014): any likelihood, KL weight beta."""

import inspect
import math

import jax
import jax.numpy as jnp

from jaxgen import lookup
from jaxgen.errors import UserError
from jaxgen.losses.elbo import kl_to_standard_normal, negative_elbo, reparameterize
from jaxgen.losses.likelihoods import Likelihood
from jaxgen.models.base import VAE
from jaxgen.ops.random import example_ids, example_normal, example_uniform
from jaxgen.recipes import optimizers
from jaxgen.recipes.base import (
    Average,
    Batch,
    Outcome,
    Player,
    Recipe,
    apply_eval,
    apply_train,
    descend,
    init_network,
)

# The distance between two gray levels in [-1, 1].
_GRAY_LEVEL = 1 / 127.5


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe that `config` describes; arguments and errors as for `jaxgen.recipes.gan.build`."""
    likelihood = likelihood_of(config.recipe)
    model = model_of(config, image_shape, num_classes, likelihood)
    if not isinstance(model, VAE):
        raise UserError(f"config.model.name={config.model.name!r} is no VAE: recipe 'vae' needs encoder and decoder")
    return vae(
        model,
        likelihood,
        optimizers.build(config.optimizers.vae, config.steps, "config.optimizers.vae"),
        image_shape=image_shape,
        beta=config.recipe.beta,
        ema_decay=config.recipe.ema_decay,
    )


def model_of(config, image_shape: tuple[int, int, int], num_classes: int, likelihood: Likelihood):
    """The networks that `config.model` names, with as many output channels as the likelihood wants."""
    module = lookup.module("models", config.model.name, "config.model.name")
    build_model = lookup.need(module, "build", "config.model.name")
    options = {}
    if likelihood.output_channels:
        options["output_channels"] = likelihood.output_channels(image_shape[-1])
        if not options.keys() <= inspect.signature(build_model).parameters.keys():
            raise UserError(
                f"config.recipe.likelihood={config.recipe.likelihood!r} wants {options['output_channels']} channels of "
                f"the decoder, but build() of config.model.name={config.model.name!r} takes no `output_channels`"
            )
    return build_model(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype), **options)


def likelihood_of(settings) -> Likelihood:
    """The likelihood that `config.recipe` names."""
    choice = lookup.member("jaxgen.losses.likelihoods", settings.likelihood, "config.recipe.likelihood")
    if settings.likelihood == "gaussian":
        if settings.sigma < 0:
            raise UserError(f"config.recipe.sigma={settings.sigma}: a standard deviation, or 0 to learn it")
        return choice(settings.sigma)
    if settings.likelihood == "bernoulli":
        if settings.binarize not in ("dynamic", "threshold"):
            raise UserError(lookup.unknown("config.recipe.binarize", settings.binarize, ["dynamic", "threshold"]))
        return choice(settings.binarize)
    if settings.likelihood == "discretised_logistic":
        return choice()
    if settings.likelihood == "logistic_mixture":
        if settings.mixtures < 1:
            raise UserError(f"config.recipe.mixtures={settings.mixtures}: it must be at least 1")
        return choice(settings.mixtures)
    functions = ("init", "observe", "log_prob", "mean")
    functions = (lookup.need(choice, name, "config.recipe.likelihood") for name in functions)
    optional = ("discrete", "levels", "output_channels")
    return Likelihood(*functions, **{name: getattr(choice, name) for name in optional if hasattr(choice, name)})


def vae(model: VAE, likelihood: Likelihood, tx, *, image_shape, beta, ema_decay) -> Recipe:
    """VAE recipe from its parts; see `build`. State: `{vae, ema}`, each with encoder, decoder and likelihood."""
    encoder, decoder, latent_dim = model

    def init(key):
        key_e, key_d = jax.random.split(key)
        encoder_params, encoder_stats = init_network(encoder, key_e, jnp.zeros((1, *image_shape)))
        decoder_params, decoder_stats = init_network(decoder, key_d, jnp.zeros((1, latent_dim)))
        params = {"encoder": encoder_params, "decoder": decoder_params, "likelihood": likelihood.init()}
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        ema = Average(jax.tree.map(jnp.copy, params), jax.tree.map(jnp.copy, stats))
        return {"vae": Player.create(params, stats, tx), "ema": ema}

    def forward(params, stats, images, key):
        """Posterior and decoder output for a sampled latent, in training mode."""
        keys = [jax.random.fold_in(key, i) for i in range(4)]
        ids = example_ids(images.shape[0])
        observed = likelihood.observe(images, keys[0], ids)
        (mean, log_variance), encoder_stats = apply_train(
            encoder, params["encoder"], stats["encoder"], observed, key=keys[1]
        )
        latents = reparameterize(example_normal(keys[2], ids, (latent_dim,)), mean, log_variance)
        outputs, decoder_stats = apply_train(decoder, params["decoder"], stats["decoder"], latents, key=keys[3])
        return observed, mean, log_variance, outputs, {"encoder": encoder_stats, "decoder": decoder_stats}

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            images, key = part
            observed, mean, log_variance, outputs, stats = forward(params, stats, images, key)
            log_likelihood = likelihood.log_prob(params["likelihood"], outputs, observed)
            kl = kl_to_standard_normal(mean, log_variance)
            loss = jnp.mean(negative_elbo(log_likelihood, kl, beta))
            metrics = {
                "loss": loss,
                "negative_elbo": jnp.mean(negative_elbo(log_likelihood, kl)),
                "kl": jnp.mean(jnp.sum(kl, axis=-1)),
                "log_likelihood": jnp.mean(log_likelihood),
            }
            return loss, Outcome(stats, metrics)

        player, metrics, _ = descend(loss_fn, state["vae"], tx, (images, keys))
        for name, value in player.params["likelihood"].items():
            if name.startswith("log_") and value.ndim == 0:
                metrics[name.removeprefix("log_")] = jnp.exp(value)
        ema = state["ema"]
        if ema_decay:
            ema = ema.toward(player.params, ema_decay, step)
            ema = ema.refresh(lambda params, stats: forward(params, stats, images[0], keys[0])[-1], step)
        else:
            ema = Average(player.params, player.stats)
        return {"vae": player, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        del labels
        ema = state["ema"]
        return likelihood.mean(apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], latents))

    def sample(state, key, ids, labels=None):
        return decode(state, latents(key, ids), labels)

    def reconstruct(state, images):
        """From the posterior's mean; the decoder's mean is the image."""
        return decode(state, encode(state, images)[0])

    def encode(state, images):
        ema = state["ema"]
        return apply_eval(encoder, ema.params["encoder"], ema.stats["encoder"], images)

    def log_likelihood(state, images, key, ids, samples):
        """The importance-weighted bound log 1/K sum_k p(x, z_k) / q(z_k | x) (Burda et al. 2016, eq. 8), K draws."""
        ema, keys = state["ema"], jax.random.split(key, samples + 2)
        if not likelihood.discrete:
            # A density has no probability of a pixel value: noise of one gray level's width makes it a bound on one.
            images = images + (example_uniform(keys[0], ids, images.shape[1:]) - 0.5) * _GRAY_LEVEL
        observed = likelihood.observe(images, keys[1], ids)
        mean, log_variance = encode(state, observed)

        def weight(key):
            noise = example_normal(key, ids, (latent_dim,))
            z = reparameterize(noise, mean, log_variance)
            outputs = apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], z)
            log_p = likelihood.log_prob(ema.params["likelihood"], outputs, observed)
            # log N(z; 0, 1) - log N(z; mean, variance); the constants cancel.
            return log_p + 0.5 * jnp.sum(jnp.square(noise) + log_variance - jnp.square(z), axis=-1)

        return jax.nn.logsumexp(jax.lax.map(weight, keys[2:]), axis=0) - jnp.log(samples)

    facts = {"dimensions": math.prod(image_shape), "discrete": likelihood.discrete}
    facts["bound"] = "importance-weighted lower bound (Burda et al. 2016)"
    outcomes = "binarised" if likelihood.levels == 2 else f"{likelihood.levels} gray levels"
    facts["pixels"] = outcomes if likelihood.discrete else "256 gray levels, uniformly dequantised"
    facts["scale_nats_per_dim"] = 0.0 if likelihood.discrete else math.log(_GRAY_LEVEL)
    views = {"sample": sample, "latents": latents, "decode": decode, "reconstruct": reconstruct}
    views |= {"encode": encode, "log_likelihood": log_likelihood}
    return Recipe(init, update, views, facts={"log_likelihood": facts})
