"""Variational autoencoders (Kingma and Welling 2014): any likelihood, beta, free bits, importance-weighted bounds."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import elbo
from jaxgen.losses.likelihoods import Likelihood, likelihood_of
from jaxgen.losses.regularizers import Codes
from jaxgen.models.base import VAE
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_ids, example_normal, example_uniform
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
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.tables import layout_for, views_of_table
from jaxgen.recipes.vae_objective import POINT, Terms, objective_of
from jaxgen.settings import lookup

# Nats of KL, on average over the batch, below which a latent dimension counts as collapsed onto the prior.
_COLLAPSED = 0.01
# Rows of a table; points without columns have no likelihood here.
TABLES = True


def build(
    config,
    image_shape: tuple[int, ...],
    num_classes: int,
    table: Table | None = None,
    *,
    num_examples: int = 0,
    penalty: Callable | None = None,
) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`.

    num_examples, penalty: as for `jaxgen.recipes.vae_objective.objective_of`.
    """
    likelihood = likelihood_of(config.recipe, None if table is None else table.layout)
    model = model_of(config, image_shape, num_classes, likelihood, table)
    if not isinstance(model, VAE):
        raise UserError(f"config.model.name={config.model.name!r} is no VAE, but recipe 'vae' needs one")
    return vae(
        model,
        likelihood,
        optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae"),
        image_shape=image_shape,
        settings=config.recipe,
        table=table,
        num_examples=num_examples,
        penalty=penalty,
    )


def model_of(
    config, image_shape: tuple[int, ...], num_classes: int, likelihood: Likelihood, table: Table | None = None
) -> NamedTuple:
    """The networks of `config.model`, with the number of output channels that the likelihood needs."""
    module = lookup.module("models", config.model.name, "config.model.name")
    options = layout_for(module, config, table)
    if likelihood.output_channels:
        options["output_channels"] = likelihood.output_channels(image_shape[-1])
        if not options.keys() <= inspect.signature(module.build).parameters.keys():
            raise UserError(
                f"config.recipe.likelihood={config.recipe.likelihood!r} needs {options['output_channels']} channels of "
                f"the decoder, but build() of config.model.name={config.model.name!r} takes no `output_channels`"
            )
    return module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype), **options)


def likelihood_facts(likelihood: Likelihood, dimensions: int, bound: str) -> dict:
    """The facts about the view "log_likelihood" for evaluation. dimensions: H * W * C."""
    outcomes = "binarised" if likelihood.levels == 2 else f"{likelihood.levels} gray levels"
    return {
        "dimensions": dimensions,
        "discrete": likelihood.discrete,
        "bound": bound,
        "pixels": outcomes if likelihood.discrete else "256 gray levels, uniformly dequantised",
        "scale_nats_per_dim": 0.0 if likelihood.discrete else math.log(GRAY_LEVEL),
    }


def vae(
    model: VAE,
    likelihood: Likelihood,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, ...],
    settings: ConfigDict,
    table: Table | None,
    num_examples: int = 0,
    penalty: Callable | None = None,
) -> Recipe:
    """VAE recipe from its parts. settings: `config.recipe`. num_examples, penalty: as for `objective_of`.

    State: `{vae, ema}`, each with encoder, decoder and likelihood.
    """
    encoder, decoder, latent_dim, conditional = model
    objective, ema_decay = objective_of(settings, num_examples, penalty), settings.ema_decay
    draws, deterministic = objective.draws, objective.deterministic  # draws of the latents of each example

    def init(key):
        key_e, key_d = jax.random.split(key)
        labels = (jnp.zeros((1,), jnp.int32),) if conditional else ()
        encoder_params, encoder_stats = init_network(encoder, key_e, jnp.zeros((1, *image_shape)), *labels)
        decoder_params, decoder_stats = init_network(decoder, key_d, jnp.zeros((1, latent_dim)), *labels)
        params = {"encoder": encoder_params, "decoder": decoder_params, "likelihood": likelihood.init()}
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        return {"vae": Player.create(params, stats, tx), "ema": Average.start(params, stats)}

    def condition(labels, times=1):
        return (jnp.repeat(labels, times, axis=0) if times > 1 else labels,) if conditional else ()

    def forward(params, stats, images, labels, key):
        """A pass in training mode with `draws` latents of each example: `Terms`, and statistics."""
        keys = [jax.random.fold_in(key, i) for i in range(4)]
        ids = example_ids(images.shape[0])
        observed = likelihood.observe(images, keys[0], ids)
        (mean, log_variance), encoder_stats = apply_train(
            encoder, params["encoder"], stats["encoder"], observed, *condition(labels), key=keys[1]
        )
        log_variance = jnp.full_like(log_variance, POINT) if deterministic else log_variance
        # Draws of an example lie together: with the device's examples in order, so are all draws of the global batch.
        noise = example_normal(keys[2], ids, (latent_dim,) if draws == 1 else (draws, latent_dim))
        noise = noise.reshape(-1, latent_dim)
        drawn_mean, drawn_log_variance, target = (
            jnp.repeat(x, draws, axis=0) if draws > 1 else x for x in (mean, log_variance, observed)
        )
        latents = drawn_mean if deterministic else elbo.reparameterize(noise, drawn_mean, drawn_log_variance)
        inputs = (latents, *condition(labels, draws))
        outputs, decoder_stats = apply_train(decoder, params["decoder"], stats["decoder"], *inputs, key=keys[3])
        log_likelihood = likelihood.log_prob(params["likelihood"], outputs, target)
        kl = elbo.kl_to_standard_normal(mean, log_variance)
        log_weights = log_likelihood + elbo.log_prior_over_posterior(noise, latents, drawn_log_variance)
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        codes = Codes(latents[::draws], mean, log_variance, kl)
        return Terms(log_likelihood.reshape(-1, draws), kl, log_weights.reshape(-1, draws), codes), stats

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        labels = batch.labels[0] if conditional else None
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            key_objective = jax.random.fold_in(part[-1], 4)  # behind those of `forward`
            loss, metrics, terms, new_stats = objective.loss(
                lambda params: forward(params, stats, *part), params, key_objective, step, state
            )
            return loss, Outcome(new_stats, metrics, averages=jnp.mean(terms.kl, axis=0))

        player, outcome = descend(loss_fn, state["vae"], tx, (images, labels, keys))
        metrics = dict(outcome.metrics)
        if not deterministic:
            active = jnp.sum(outcome.averages > _COLLAPSED)
            metrics |= {"active_dimensions": 1.0 * active, "posterior_collapse": 1 - active / latent_dim}
        metrics["weight_norm"] = optax.tree.norm(player.params)
        for name, value in player.params["likelihood"].items():
            if name.startswith("log_") and value.ndim == 0:
                metrics[name.removeprefix("log_")] = jnp.exp(value)
        part = jax.tree.map(lambda x: x[0], (images, labels, keys))

        def refreshed(params, stats):
            return forward(params, stats, *part)[-1]

        ema = state["ema"].follow(player.params, player.stats, ema_decay, refreshed, step)
        return {"vae": player, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def outputs_of(state, latents, labels):
        ema = state["ema"]
        return apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], latents, *condition(labels))

    def decode(state, latents, labels=None):
        return likelihood.mean(outputs_of(state, latents, labels))

    def sample(state, key, ids, labels=None):
        if likelihood.draw is None:
            return decode(state, latents(key, ids), labels)
        outputs = outputs_of(state, latents(key, ids), labels)
        return likelihood.draw(state["ema"].params["likelihood"], outputs, jax.random.fold_in(key, 1), ids)

    if table is not None:
        return Recipe(init, update, views_of_table(table, latents, decode, sample))

    def reconstruct(state, images, image_labels):
        """From the posterior's mean; the decoder's mean is the image."""
        return decode(state, encode(state, images, image_labels)[0], image_labels)

    def encode(state, images, image_labels):
        ema = state["ema"]
        inputs = (images, *condition(image_labels))
        mean, log_variance = apply_eval(encoder, ema.params["encoder"], ema.stats["encoder"], *inputs)
        return mean, jnp.full_like(log_variance, POINT) if deterministic else log_variance

    def log_likelihood(state, images, key, ids, samples, image_labels):
        """The importance-weighted bound log 1/K sum_k p(x, z_k) / q(z_k | x) (Burda et al. 2016, eq. 8), K draws."""
        ema, keys = state["ema"], jax.random.split(key, samples + 2)
        if not likelihood.discrete:
            # A density has no probability of a pixel value: noise of one gray level's width makes it a bound on one.
            images = images + (example_uniform(keys[0], ids, images.shape[1:]) - 0.5) * GRAY_LEVEL
        observed = likelihood.observe(images, keys[1], ids)
        mean, log_variance = encode(state, observed, image_labels)

        def weight(key):
            noise = example_normal(key, ids, (latent_dim,))
            z = elbo.reparameterize(noise, mean, log_variance)
            log_p = likelihood.log_prob(ema.params["likelihood"], outputs_of(state, z, image_labels), observed)
            return log_p + elbo.log_prior_over_posterior(noise, z, log_variance)

        return elbo.importance_weighted_bound(jax.lax.map(weight, keys[2:]), axis=0)

    views = {"sample": sample, "latents": latents, "decode": decode}
    of_images = {"reconstruct": reconstruct, "encode": encode, "log_likelihood": log_likelihood}
    views |= of_images if conditional else {name: partial(v, image_labels=None) for name, v in of_images.items()}
    if deterministic:  # no density of latents, so no bound
        return Recipe(init, update, {name: view for name, view in views.items() if name != "log_likelihood"})
    facts = likelihood_facts(likelihood, math.prod(image_shape), "importance-weighted lower bound (Burda et al. 2016)")
    return Recipe(init, update, views, facts={"log_likelihood": facts})
