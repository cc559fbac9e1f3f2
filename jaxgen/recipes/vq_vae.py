"""VQ-VAE (van den Oord et al. 2017): discrete codes, straight-through gradients, and a prior over the codes."""

import math

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import quantization
from jaxgen.losses.likelihoods import Likelihood, likelihood_facts, likelihood_of
from jaxgen.models.vq_vae import VQVAE, sample_codes
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import DATA_AXIS, example_ids, example_uniform, places_of
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_eval, apply_train, descend, init_network
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.recipes.vae import model_of

FAMILY = "VQ-VAE"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    settings = config.recipe
    likelihood = likelihood_of(settings, None)
    model = model_of(config, image_shape, num_classes, likelihood)
    if not isinstance(model, VQVAE):
        raise UserError(f"config.model.name={config.model.name!r} has no codes, but recipe 'vq_vae' needs a VQVAE")
    if settings.commitment <= 0:
        raise UserError(
            f"config.recipe.commitment={settings.commitment}: without it the encoder diverges. 0.25 is usual"
        )
    for key in ("codebook_decay", "revive_below"):
        if not 0 <= settings[key] < 1:
            raise UserError(f"config.recipe.{key}={settings[key]}: it must be in [0, 1)")
    return vq_vae(
        model,
        likelihood,
        optimizer_of(config.optimizers.vae, config.steps, "config.optimizers.vae"),
        optimizer_of(config.optimizers.prior, config.steps, "config.optimizers.prior"),
        image_shape=image_shape,
        settings=settings,
    )


def vq_vae(
    model: VQVAE,
    likelihood: Likelihood,
    tx: optax.GradientTransformation,
    tx_prior: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """VQ-VAE recipe from its parts. settings: `config.recipe`. State: `{vae, prior, ema}`.

    The codebook lies in the VAE's stats, since it gets no gradient. `prior` learns the encoder's codes alongside, at
    each step. Its gradients stop at the codes, so they do not change the VAE's training.
    """
    encoder, decoder, prior = model.encoder, model.decoder, model.prior
    commitment_weight, ema_decay = settings.commitment, settings.ema_decay
    moves = {"decay": settings.codebook_decay, "revive_below": settings.revive_below}

    def init(key):
        keys = jax.random.split(key, 4)
        encoder_params, encoder_stats = init_network(encoder, keys[0], jnp.zeros((1, *image_shape)))
        code = jnp.zeros((1, *model.code_shape, model.code_dim))
        decoder_params, decoder_stats = init_network(decoder, keys[1], code)
        params = {"encoder": encoder_params, "decoder": decoder_params, "likelihood": likelihood.init()}
        codebook = quantization.init_codebook(keys[2], model.num_codes, model.code_dim)
        stats = {"encoder": encoder_stats, "decoder": decoder_stats, "codebook": codebook}
        vae = Player.create(params, stats, tx)
        prior_params, _ = init_network(prior, keys[3], jnp.zeros((1, prior.length), jnp.int32))
        player = Player.create(prior_params, {}, tx_prior)
        return {"vae": vae, "prior": player, "ema": jax.tree.map(jnp.copy, averaged(vae, player))}

    def averaged(vae: Player, prior: Player) -> Average:
        """The averaged values: all parameters, and the codebook's vectors as if they were parameters."""
        params = {**vae.params, "codebook": vae.stats["codebook"].vectors(), "prior": prior.params}
        return Average(params, {name: vae.stats[name] for name in ("encoder", "decoder")})

    def forward(params, stats, vectors, images, key):
        """A pass in training mode: encoder output, codes, their vectors, log-likelihood and new statistics."""
        keys = [jax.random.fold_in(key, i) for i in range(3)]
        observed = likelihood.observe(images, keys[0], example_ids(images.shape[0]))
        encoded, encoder_stats = apply_train(encoder, params["encoder"], stats["encoder"], observed, key=keys[1])
        codes = quantization.nearest(encoded, vectors)
        quantized = vectors[codes]
        outputs, decoder_stats = apply_train(
            decoder, params["decoder"], stats["decoder"], quantization.straight_through(encoded, quantized), key=keys[2]
        )
        log_likelihood = likelihood.log_prob(params["likelihood"], outputs, observed)
        return encoded, codes, quantized, log_likelihood, {"encoder": encoder_stats, "decoder": decoder_stats}

    def update_vae(vae: Player, images, keys, step):
        codebook = vae.stats["codebook"]
        vectors, parts = codebook.vectors(), images.shape[0]

        def loss_fn(params, stats, part):
            images, key, number = part
            encoded, codes, quantized, log_likelihood, networks = forward(params, stats, vectors, images, key)
            committed = jnp.mean(quantization.commitment(encoded, quantized))
            loss = commitment_weight * committed - jnp.mean(log_likelihood)
            usage, sums = quantization.shares(encoded, codes, model.num_codes)
            candidates = _pick(encoded, jax.random.fold_in(key, 3), model.num_codes) * jnp.where(number == 0, parts, 0)
            metrics = {"loss": loss, "log_likelihood": jnp.mean(log_likelihood), "commitment": committed}
            return loss, Outcome({**stats, **networks}, metrics, codes, (usage, sums, candidates))

        vae, outcome = descend(loss_fn, vae, tx, (images, keys, jnp.arange(parts)))
        usage, sums, candidates = outcome.averages
        metrics = outcome.metrics | {"perplexity": quantization.perplexity(usage), "code_usage": jnp.mean(usage > 0)}
        moved = quantization.move_codebook(codebook, usage, sums, candidates, start=step == 0, **moves)
        codebook, metrics["codes_revived"] = moved
        return vae.replace(stats={**vae.stats, "codebook": codebook}), metrics, outcome.outputs

    def update_prior(player: Player, codes):
        def loss_fn(params, stats, part):
            logits = prior.apply({"params": params}, part)
            nats = jnp.sum(optax.softmax_cross_entropy_with_integer_labels(logits, part), axis=-1)
            loss = jnp.mean(nats)
            return loss, Outcome(stats, {"loss": loss})

        player, outcome = descend(loss_fn, player, tx_prior, codes.reshape(*codes.shape[:2], -1))
        return player, {f"{name}_prior": value for name, value in outcome.metrics.items()}

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        keys = jax.random.split(key, images.shape[0])
        vae, metrics, codes = update_vae(state["vae"], images, keys, step)
        player, prior_metrics = update_prior(state["prior"], codes)
        metrics |= prior_metrics
        norms = (optax.tree.norm(of.params) for of in (vae, player))
        metrics |= dict(zip(("weight_norm", "weight_norm_prior"), norms, strict=True))
        metrics["negative_elbo"] = metrics["loss_prior"] - metrics["log_likelihood"]

        def refreshed(params, stats):
            return forward(params, stats, params["codebook"], images[0], keys[0])[-1]

        now = averaged(vae, player)
        ema = state["ema"].follow(now.params, now.stats, ema_decay, refreshed, step)
        return {"vae": vae, "prior": player, "ema": ema}, metrics

    def encode(ema: Average, observed):
        encoded = apply_eval(encoder, ema.params["encoder"], ema.stats["encoder"], observed)
        return quantization.nearest(encoded, ema.params["codebook"])

    def outputs_of(ema: Average, codes):
        """Decoder's outputs for codes [n, h, w]."""
        return apply_eval(decoder, ema.params["decoder"], ema.stats["decoder"], ema.params["codebook"][codes])

    def sample(state, key, ids, labels=None):
        del labels
        codes = sample_codes(prior, state["ema"].params["prior"], key, ids)
        return likelihood.mean(outputs_of(state["ema"], codes.reshape(-1, *model.code_shape)))

    def reconstruct(state, images):
        return likelihood.mean(outputs_of(state["ema"], encode(state["ema"], images)))

    def log_likelihood(state, images, key, ids, samples):
        """log p(x | z) + log p(z) for the encoder's single z: the ELBO of a posterior that is a point."""
        del samples
        ema, keys = state["ema"], jax.random.split(key)
        if not likelihood.discrete:
            images = images + (example_uniform(keys[0], ids, images.shape[1:]) - 0.5) * GRAY_LEVEL
        observed = likelihood.observe(images, keys[1], ids)
        codes = encode(ema, observed)
        log_p = likelihood.log_prob(ema.params["likelihood"], outputs_of(ema, codes), observed)
        codes = codes.reshape(codes.shape[0], -1)
        logits = prior.apply({"params": ema.params["prior"]}, codes)
        return log_p - jnp.sum(optax.softmax_cross_entropy_with_integer_labels(logits, codes), axis=-1)

    facts = likelihood_facts(likelihood, math.prod(image_shape), "log p(x | z) + log p(z) of the encoder's codes")
    views = {"sample": sample, "reconstruct": reconstruct, "log_likelihood": log_likelihood}
    return Recipe(init, update, views, facts={"log_likelihood": {**facts, "samples": None}})


def _pick(encoded: jax.Array, key: jax.Array, count: int) -> jax.Array:
    """`count` random vectors of the global batch [b, h, w, D]: [count, D], to be averaged over devices.

    Each device gives the vectors that are its own, times the number of devices, and zero for the others.
    """
    devices, examples = jax.lax.axis_size(DATA_AXIS), encoded.shape[0]
    flat = encoded.reshape(-1, encoded.shape[-1])
    per_example = flat.shape[0] // examples
    picked = jax.random.randint(key, (count,), 0, devices * flat.shape[0])
    example, is_here = places_of(picked // per_example)
    return jnp.where(is_here[:, None], devices * flat[example * per_example + picked % per_example], 0)
