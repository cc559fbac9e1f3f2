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
from jaxgen.losses.likelihoods import Likelihood, likelihood_facts, likelihood_of
from jaxgen.losses.regularizers import Codes
from jaxgen.models.base import VAE
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_ids, example_uniform
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
from jaxgen.recipes.posteriors.base import Draws, posterior_of
from jaxgen.recipes.priors.base import prior_of
from jaxgen.recipes.tables import layout_for, views_of_table
from jaxgen.recipes.vae_objective import Terms, objective_of
from jaxgen.settings import lookup

FAMILY = "VAEs"
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
    draws = config.recipe.iwae_samples * config.recipe.iwae_bounds
    if draws > 1 and not likelihood.normalised:
        raise UserError(
            f"config.recipe.likelihood={config.recipe.likelihood!r} is a loss and no likelihood, so it has no "
            "importance-weighted bound. Leave config.recipe.iwae_samples and iwae_bounds at 1"
        )
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
    posterior = posterior_of(settings, latent_dim)
    prior = prior_of(settings, model, posterior, image_shape)
    objective = objective_of(settings, num_examples, penalty, posterior.penalty)
    ema_decay = settings.ema_decay
    draws, deterministic = objective.draws, objective.deterministic  # draws of the latents of each example

    def init(key):
        key_e, key_d = jax.random.split(key)
        labels = (jnp.zeros((1,), jnp.int32),) if conditional else ()
        encoder_params, encoder_stats = init_network(encoder, key_e, jnp.zeros((1, *image_shape)), *labels)
        decoder_params, decoder_stats = init_network(decoder, key_d, jnp.zeros((1, latent_dim)), *labels)
        params = {"encoder": encoder_params, "decoder": decoder_params, "likelihood": likelihood.init()}
        if prior:
            params["prior"] = prior.init(jax.random.fold_in(key, 2))
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        return {"vae": Player.create(params, stats, tx), "ema": Average.start(params, stats)}

    def condition(labels, times=1):
        return (jnp.repeat(labels, times, axis=0) if times > 1 else labels,) if conditional else ()

    def forward(params, stats, step, images, labels, key):
        """A pass in training mode with `draws` latents of each example: `Terms`, and statistics."""
        keys = [jax.random.fold_in(key, i) for i in range(4)]
        ids = example_ids(images.shape[0])
        observed = likelihood.observe(images, keys[0], ids)

        def encode(images, *labels):
            return apply_train(encoder, params["encoder"], stats["encoder"], images, *labels, key=keys[1])

        encoded, encoder_stats = encode(observed, *condition(labels))
        if deterministic:
            encoded = encoded[0], jnp.full_like(encoded[1], elbo.POINT)
        drawn = Draws(encoded[0]) if deterministic else posterior.draw(encoded, keys[2], ids, draws, step)
        target = jnp.repeat(observed, draws, axis=0) if draws > 1 else observed
        inputs = (drawn.latents, *condition(labels, draws))
        outputs, decoder_stats = apply_train(decoder, params["decoder"], stats["decoder"], *inputs, key=keys[3])
        log_likelihood = likelihood.log_prob(params["likelihood"], outputs, target)
        if drawn.score is not None:
            log_likelihood = elbo.with_score(log_likelihood, drawn.score)
        kl, log_ratio = posterior.kl(encoded), drawn.log_ratio
        if prior:
            parts = prior.components(params["prior"], lambda images: encode(images)[0])
            log_ratio = log_ratio + prior.log_over_normal(parts, drawn.latents)
            kl = -jnp.mean(log_ratio.reshape(-1, draws), axis=1, keepdims=True)
        log_weights = None if log_ratio is None else (log_likelihood + log_ratio).reshape(-1, draws)
        codes = Codes(drawn.latents[::draws], *encoded, kl)
        stats = {"encoder": encoder_stats, "decoder": decoder_stats}
        return Terms(log_likelihood.reshape(-1, draws), kl, log_weights, codes), stats

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        labels = batch.labels[0] if conditional else None
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            key_objective = jax.random.fold_in(part[-1], 4)  # behind those of `forward`
            loss, metrics, terms, new_stats = objective.loss(
                lambda params: forward(params, stats, step, *part), params, key_objective, step, state
            )
            return loss, Outcome(new_stats, metrics, averages=jnp.mean(terms.kl, axis=0))

        player, outcome = descend(loss_fn, state["vae"], tx, (images, labels, keys))
        metrics = dict(outcome.metrics)
        if not deterministic:
            active, parts = jnp.sum(outcome.averages > _COLLAPSED), outcome.averages.shape[0]
            metrics |= {"active_dimensions": 1.0 * active, "posterior_collapse": 1 - active / parts}
        if not likelihood.normalised:  # these are no numbers of a bound
            metrics["reconstruction_loss"] = -metrics.pop("log_likelihood")
            metrics.pop("negative_elbo", None)
        metrics["weight_norm"] = optax.tree.norm(player.params)
        for name, value in player.params["likelihood"].items():
            if name.startswith("log_") and value.ndim == 0:
                metrics[name.removeprefix("log_")] = jnp.exp(value)
        part = jax.tree.map(lambda x: x[0], (images, labels, keys))

        def refreshed(params, stats):
            return forward(params, stats, step, *part)[-1]

        ema = state["ema"].follow(player.params, player.stats, ema_decay, refreshed, step)
        return {"vae": player, "ema": ema}, metrics

    def outputs_of(state, latents, labels):
        ema = state["ema"]
        return apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], latents, *condition(labels))

    def decode(state, latents, labels=None):
        return likelihood.mean(outputs_of(state, latents, labels))

    def components(state):
        return prior.components(state["ema"].params["prior"], lambda images: encode(state, images, None))

    def sample(state, key, ids, labels=None):
        latents = prior.draw(components(state), key, ids) if prior else posterior.prior(key, ids)
        if likelihood.draw is None:
            return decode(state, latents, labels)
        outputs = outputs_of(state, latents, labels)
        return likelihood.draw(state["ema"].params["likelihood"], outputs, jax.random.fold_in(key, 1), ids)

    if table is not None:
        return Recipe(init, update, views_of_table(table, posterior.prior, decode, sample))

    def encode(state, images, image_labels):
        ema = state["ema"]
        inputs = (images, *condition(image_labels))
        first, second = apply_eval(encoder, ema.params["encoder"], ema.stats["encoder"], *inputs)
        return first, jnp.full_like(second, elbo.POINT) if deterministic else second

    def reconstruct(state, images, image_labels):
        """From the posterior's centre; the decoder's mean is the image."""
        return decode(state, posterior.centre(encode(state, images, image_labels)), image_labels)

    def clusters(state, images, image_labels):
        """The most probable category of each image."""
        return posterior.clusters(encode(state, images, image_labels))

    def log_likelihood(state, images, key, ids, samples, image_labels):
        """The importance-weighted bound log 1/K sum_k p(x, z_k) / q(z_k | x) (Burda et al. 2016, eq. 8), K draws."""
        ema, keys = state["ema"], jax.random.split(key, samples + 2)
        if not likelihood.discrete:
            # A density has no probability of a pixel value: noise of one gray level's width makes it a bound on one.
            images = images + (example_uniform(keys[0], ids, images.shape[1:]) - 0.5) * GRAY_LEVEL
        observed = likelihood.observe(images, keys[1], ids)
        encoded = encode(state, observed, image_labels)
        parts = components(state) if prior else None

        def weight(key):
            z, log_ratio = posterior.exact(encoded, key, ids)
            if prior:
                log_ratio = log_ratio + prior.log_over_normal(parts, z)
            log_p = likelihood.log_prob(ema.params["likelihood"], outputs_of(state, z, image_labels), observed)
            return log_p + log_ratio

        return elbo.importance_weighted_bound(jax.lax.map(weight, keys[2:]), axis=0)

    bounded = likelihood.normalised and not deterministic  # else there is no bound on a likelihood
    views = {"sample": sample, "decode": decode}
    if prior is None:  # latents of a learned prior would need the state
        views["latents"] = posterior.prior
    offered = {
        "reconstruct": (True, reconstruct),
        "encode": (posterior.gaussian, encode),
        "clusters": (posterior.clusters, clusters),
        "log_likelihood": (bounded, log_likelihood),
    }
    of_images = {name: view for name, (exists, view) in offered.items() if exists}
    views |= of_images if conditional else {name: partial(v, image_labels=None) for name, v in of_images.items()}
    facts = likelihood_facts(likelihood, math.prod(image_shape), "importance-weighted lower bound (Burda et al. 2016)")
    return Recipe(init, update, views, facts={"log_likelihood": facts} if bounded else {})
