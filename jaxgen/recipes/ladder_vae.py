"""Ladder VAE (Soenderby et al. 2016): latents on several levels, with a posterior that also sees the level above."""

import math

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import elbo, ladder
from jaxgen.losses.likelihoods import Likelihood, likelihood_facts, likelihood_of
from jaxgen.models.ladder_vae import LadderVAE
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_ids, example_normal, example_uniform
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_eval, apply_train, descend, init_network
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.vae import model_of
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "VAEs"

# Nats of KL, on average over the batch, below which a latent dimension counts as collapsed onto the prior.
_COLLAPSED = 0.01


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    likelihood = likelihood_of(config.recipe, None)
    model = model_of(config, image_shape, num_classes, likelihood)
    if not isinstance(model, LadderVAE):
        raise UserError(
            f"config.model.name={config.model.name!r} has no levels: recipe 'ladder_vae' needs a ladder_vae"
        )
    if not likelihood.normalised:
        raise UserError(
            f"config.recipe.likelihood={config.recipe.likelihood!r} is a loss: use recipe.name='vae' for it"
        )
    require(config.recipe, "config.recipe", NOT_NEGATIVE, "beta_warmup")
    tx = optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae")
    return ladder_vae(model, likelihood, tx, image_shape=image_shape, settings=config.recipe)


def ladder_vae(
    model: LadderVAE,
    likelihood: Likelihood,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """Ladder recipe from its parts. settings: `config.recipe`. State: `{vae, ema}`.

    q(z_l | x, z_{l+1}) is the precision-weighted merge of the encoder's Gaussian and p(z_l | z_{l+1}). The highest
    level has the encoder's Gaussian and the prior N(0, I). The view "latents" is the noise of all levels, lowest first.
    """
    encoder, priors, decoder, dims = model
    beta, beta_warmup, ema_decay = settings.beta, settings.beta_warmup, settings.ema_decay
    ends = [sum(dims[: level + 1]) for level in range(len(dims))]
    networks = {"encoder": encoder, "decoder": decoder, **{f"prior_{i}": prior for i, prior in enumerate(priors)}}

    def init(key):
        inputs = {"encoder": jnp.zeros((1, *image_shape)), "decoder": jnp.zeros((1, dims[0]))}
        inputs |= {f"prior_{i}": jnp.zeros((1, dims[i + 1])) for i in range(len(priors))}
        keys = jax.random.split(key, len(networks))
        both = {name: init_network(networks[name], k, inputs[name]) for name, k in zip(networks, keys, strict=True)}
        params = {name: params for name, (params, _) in both.items()} | {"likelihood": likelihood.init()}
        stats = {name: stats for name, (_, stats) in both.items()}
        return {"vae": Player.create(params, stats, tx), "ema": Average.start(params, stats)}

    def descent(apply, encoded, noise):
        """The way down: latents of the lowest level, and of each level, from the highest down, (q, p, noise, latents).

        encoded: the encoder's Gaussians, or None for draws of the prior. noise: [n, sum of all Z].
        """
        levels, latents = [], None
        for level in reversed(range(len(dims))):
            shape = (noise.shape[0], dims[level])
            top = level == len(dims) - 1
            p = (jnp.zeros(shape), jnp.zeros(shape)) if top else apply(f"prior_{level}", latents)
            q = p if encoded is None else encoded[level] if top else ladder.merge(encoded[level], p)
            own = noise[:, ends[level] - dims[level] : ends[level]]
            latents = elbo.reparameterize(own, *q)
            levels.append((q, p, own, latents))
        return latents, levels

    def forward(params, stats, images, key):
        """A pass in training mode: log-likelihood, KL [B, sum of all Z] from the lowest level up, and statistics."""
        keys = [jax.random.fold_in(key, i) for i in range(3)]
        ids, new = example_ids(images.shape[0]), {}
        observed = likelihood.observe(images, keys[0], ids)

        def apply(name, inputs):
            own = jax.random.fold_in(keys[1], list(networks).index(name))
            outputs, new[name] = apply_train(networks[name], params[name], stats[name], inputs, key=own)
            return outputs

        noise = example_normal(keys[2], ids, (ends[-1],))
        latents, levels = descent(apply, apply("encoder", observed), noise)
        log_likelihood = likelihood.log_prob(params["likelihood"], apply("decoder", latents), observed)
        kl = jnp.concatenate([ladder.kl(q, p) for q, p, *_ in reversed(levels)], axis=-1)
        return log_likelihood, kl, new

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        keys = jax.random.split(key, images.shape[0])
        weight = elbo.beta_at(step, beta, beta_warmup)

        def loss_fn(params, stats, part):
            log_likelihood, kl, stats = forward(params, stats, *part)
            loss = jnp.mean(elbo.negative_elbo(log_likelihood, kl, weight))
            metrics = {
                "loss": loss,
                "negative_elbo": jnp.mean(elbo.negative_elbo(log_likelihood, kl)),
                "kl": jnp.mean(jnp.sum(kl, axis=-1)),
                "log_likelihood": jnp.mean(log_likelihood),
            }
            for level, (end, dim) in enumerate(zip(ends, dims, strict=True)):
                metrics[f"kl_level_{level}"] = jnp.mean(jnp.sum(kl[:, end - dim : end], axis=-1))
            return loss, Outcome(stats, metrics, averages=jnp.mean(kl, axis=0))

        player, outcome = descend(loss_fn, state["vae"], tx, (images, keys))
        active = jnp.sum(outcome.averages > _COLLAPSED)
        metrics = outcome.metrics | {"active_dimensions": 1.0 * active, "posterior_collapse": 1 - active / ends[-1]}
        metrics["weight_norm"] = optax.tree.norm(player.params)
        if beta_warmup:
            metrics["beta"] = weight

        def refreshed(params, stats):
            return forward(params, stats, images[0], keys[0])[-1]

        ema = state["ema"].follow(player.params, player.stats, ema_decay, refreshed, step)
        return {"vae": player, "ema": ema}, metrics

    def trained(state):
        ema = state["ema"]
        return lambda name, inputs: apply_eval(networks[name], ema.params[name], ema.stats[name], inputs)

    def latents(key, ids):
        return example_normal(key, ids, (ends[-1],))

    def outputs_of(state, noise):
        apply = trained(state)
        return apply("decoder", descent(apply, None, noise)[0])

    def decode(state, latents, labels=None):
        del labels
        return likelihood.mean(outputs_of(state, latents))

    def sample(state, key, ids, labels=None):
        if likelihood.draw is None:
            return decode(state, latents(key, ids), labels)
        outputs, parameters = outputs_of(state, latents(key, ids)), state["ema"].params["likelihood"]
        return likelihood.draw(parameters, outputs, jax.random.fold_in(key, 1), ids)

    def reconstruct(state, images):
        """From the mean of every level's posterior; the decoder's mean is the image."""
        apply = trained(state)
        lowest, _ = descent(apply, apply("encoder", images), jnp.zeros((images.shape[0], ends[-1])))
        return likelihood.mean(apply("decoder", lowest))

    def log_likelihood(state, images, key, ids, samples):
        """The importance-weighted bound (Burda et al. 2016, equation 8) with the weights of all levels."""
        apply, keys = trained(state), jax.random.split(key, samples + 2)
        if not likelihood.discrete:
            images = images + (example_uniform(keys[0], ids, images.shape[1:]) - 0.5) * GRAY_LEVEL
        observed = likelihood.observe(images, keys[1], ids)
        encoded = apply("encoder", observed)

        def weight(key):
            lowest, levels = descent(apply, encoded, latents(key, ids))
            log_p = likelihood.log_prob(state["ema"].params["likelihood"], apply("decoder", lowest), observed)
            return log_p + sum(ladder.log_ratio(noise, z, q[1], p) for q, p, noise, z in levels)

        return elbo.importance_weighted_bound(jax.lax.map(weight, keys[2:]), axis=0)

    views = {"sample": sample, "latents": latents, "decode": decode, "reconstruct": reconstruct}
    views["log_likelihood"] = log_likelihood
    facts = likelihood_facts(likelihood, math.prod(image_shape), "importance-weighted lower bound (Burda et al. 2016)")
    return Recipe(init, update, views, facts={"log_likelihood": facts})
