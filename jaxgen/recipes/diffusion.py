"""Diffusion models: a network learns to remove noise of every level, and samples are noise that it has removed."""

import math
from functools import partial
from types import ModuleType

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models.unet import Denoiser
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_ids, example_normal, example_uniform
from jaxgen.recipes import diffusion_solvers
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_eval, apply_train, descend, init_network
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings import lookup
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "Diffusion"

_SOLVERS = {"heun": diffusion_solvers.heun, "euler": diffusion_solvers.euler}
SAMPLERS = (*_SOLVERS, "ancestral")


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    settings = config.recipe
    process = lookup.module("processes", settings.process, "config.recipe.process")
    networks = lookup.module("models", config.model.name, "config.model.name")
    model = networks.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype))
    if not isinstance(model, Denoiser):
        raise UserError(
            f"config.model.name={config.model.name!r} removes no noise, but recipe 'diffusion' needs a unet"
        )
    _check(settings, model)
    tx = optimizer_of(config.optimizers.denoiser, config.steps, "config.optimizers.denoiser")
    return diffusion(model, process, tx, image_shape=image_shape, settings=settings)


def _check(settings: ConfigDict, model: Denoiser) -> None:
    if settings.sampler not in SAMPLERS:
        raise UserError(lookup.unknown("config.recipe.sampler", settings.sampler, SAMPLERS))
    for key in ("sampling_steps", "likelihood_steps"):
        if settings[key] < 2:
            raise UserError(f"config.recipe.{key}={settings[key]}: it must be 2 or more")
    require(settings, "config.recipe", NOT_NEGATIVE, "guidance")
    if not 0 <= settings.label_dropout < 1:
        raise UserError(f"config.recipe.label_dropout={settings.label_dropout}: it must be in [0, 1)")
    if not model.num_classes:
        for key, usual in (("guidance", 1.0), ("label_dropout", 0.0)):
            if settings[key] != usual:
                raise UserError(
                    f"config.recipe.{key}={settings[key]} is for networks that know the class. "
                    f"Set config.model.conditional=True, or leave it at {usual}"
                )
    elif settings.guidance != 1 and not settings.label_dropout:
        raise UserError(
            f"config.recipe.guidance={settings.guidance} also needs a network that has learned without labels. "
            "Set config.recipe.label_dropout=0.1"
        )


def diffusion(
    model: Denoiser,
    module: ModuleType,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """Diffusion recipe from its parts. settings: `config.recipe`. State: `{denoiser, ema}`.

    The parameters of the denoiser are those of the network and the learned numbers of the process, if it has any.

    u and c are the network's outputs without and with the class. Samples of the class take u + guidance * (c - u): Ho
    and Salimans 2022, equation 6, with weight guidance - 1.
    """
    network, num_classes = model
    guidance, label_dropout, ema_decay = settings.guidance, settings.label_dropout, settings.ema_decay
    sampler, sampling_steps, likelihood_steps = settings.sampler, settings.sampling_steps, settings.likelihood_steps

    learned = getattr(module, "PARAMS", {})

    def process_of(params):
        return module.of(params["process"]) if learned else module

    has_bound = hasattr(process_of({"process": learned}), "log_likelihood")

    def init(key):
        classes = (jnp.zeros((1, num_classes)),) if num_classes else ()
        params, stats = init_network(network, key, jnp.zeros((1, *image_shape)), jnp.zeros((1,)), *classes)
        params = {"network": params, "process": {name: jnp.float32(value) for name, value in learned.items()}}
        return {"denoiser": Player.create(params, stats, tx), "ema": Average.start(params, stats)}

    def update(state, batch: Batch, key, step):
        images = batch.images[0]
        labels = batch.labels[0] if num_classes else None
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            images, labels, key = part
            key_process, key_labels, key_dropout = jax.random.split(key, 3)
            ids = example_ids(images.shape[0])
            classes = None
            if num_classes:
                kept = example_uniform(key_labels, ids, ()) >= label_dropout
                classes = jax.nn.one_hot(labels, num_classes) * kept[:, None]

            def denoiser(x, number):
                return apply_train(network, params["network"], stats, x, number, classes, key=key_dropout)[0]

            loss = jnp.mean(process_of(params).loss(denoiser, images, key_process, ids))
            return loss, Outcome(stats, {"loss": loss, **params["process"]})

        player, outcome = descend(loss_fn, state["denoiser"], tx, (images, labels, keys))
        ema = state["ema"].follow(player.params, player.stats, ema_decay, lambda params, stats: stats, step)
        return {"denoiser": player, "ema": ema}, outcome.metrics

    def trained(state, labels):
        """The averaged network `(x, number) -> output`, guided towards the labels."""
        ema = state["ema"]
        evaluate = partial(apply_eval, network, ema.params["network"], ema.stats)
        if not num_classes:
            return lambda x, number: evaluate(x, number, None)
        if labels is None:
            return lambda x, number: evaluate(x, number, jnp.zeros((x.shape[0], num_classes)))
        classes = jax.nn.one_hot(labels, num_classes)
        if guidance == 1:
            return lambda x, number: evaluate(x, number, classes)

        def guided(x, number):
            with_class, without = evaluate(x, number, classes), evaluate(x, number, jnp.zeros_like(classes))
            return without + guidance * (with_class - without)

        return guided

    def latents(key, ids):
        return example_normal(key, ids, image_shape)

    def decode(state, latents, labels=None):
        """The image at the end of the probability flow, which starts from latents [n, H, W, C]."""
        solve, process = _SOLVERS.get(sampler, diffusion_solvers.euler), process_of(state["ema"].params)
        times = process.times(sampling_steps)
        return jnp.clip(solve(process, trained(state, labels), process.START * latents, times), -1, 1)

    def sample(state, key, ids, labels=None):
        if sampler != "ancestral":
            return decode(state, latents(key, ids), labels)
        process = process_of(state["ema"].params)
        start, times = process.START * latents(key, ids), process.times(sampling_steps)
        key_steps = jax.random.fold_in(key, 1)
        samples = diffusion_solvers.ancestral(process, trained(state, labels), start, times, key_steps, ids)
        return jnp.clip(samples, -1, 1)

    def log_likelihood(state, images, key, ids, samples):
        """Mean over `samples` draws of the process's bound, or of the log-density of the flow.

        The density is that of the images with noise of one gray level's width.
        """
        denoiser, process = trained(state, None), process_of(state["ema"].params)
        times = process.reversible_times(likelihood_steps)

        def bound(key):
            return process.log_likelihood(denoiser, images, key, ids)

        def density(key):
            key_noise, key_probe = jax.random.split(key)
            noisy = images + (example_uniform(key_noise, ids, images.shape[1:]) - 0.5) * GRAY_LEVEL
            probe = jnp.sign(example_uniform(key_probe, ids, images.shape[1:]) - 0.5)
            return diffusion_solvers.log_density(process, denoiser, noisy, times, probe)

        one = bound if has_bound else density
        return jnp.mean(jax.lax.map(one, jax.random.split(key, samples)), axis=0)

    facts = {"dimensions": math.prod(image_shape), "discrete": has_bound}
    if has_bound:
        facts |= {"bound": "variational bound in continuous time (Kingma et al. 2021)", "pixels": "256 gray levels"}
    else:
        facts |= {
            "bound": "probability flow, divergence by Hutchinson's estimator (Song et al. 2021)",
            "pixels": "256 gray levels, uniformly dequantised",
            "scale_nats_per_dim": math.log(GRAY_LEVEL),
            "gradients": 2 * likelihood_steps,  # of the network, for each draw: two in a step of Heun's method
        }
    views = {"sample": sample, "latents": latents, "decode": decode}
    if not num_classes or label_dropout:  # the density of images without their class
        views["log_likelihood"] = log_likelihood
    return Recipe(init, update, views, facts={"log_likelihood": facts})
