"""StyleGAN2's training (Karras et al. 2020): lazy R1 and path length, style mixing, moving averages, ADA.

A step has four phases: generator, path length (every 4th step), discriminator, R1 (every 16th step). Each phase has its
own latents and one optimiser update. A regularisation shares its player's optimiser state. Its loss is multiplied by
its interval k. Learning rate and decays are corrected for k + 1 updates in k steps (section B, "lazy regularization").
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict, FrozenConfigDict

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import AdversarialLoss, loss_of
from jaxgen.losses.penalties import path_length_penalty, path_lengths, r1_and_logits
from jaxgen.models.stylegan2 import StyleGAN2
from jaxgen.models.stylegan2.layers import broadcast
from jaxgen.models.stylegan2.synthesis import RandomNoise
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import observations, stylegan2_views
from jaxgen.recipes.augmentation import Augmentation, augmentation_of
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, average_over_devices, descend
from jaxgen.recipes.lazy_regularization import LazyOptimizer, lazy_optimizer
from jaxgen.recipes.stylegan2_settings import check_settings, frozen_layers, stopped
from jaxgen.settings import lookup

FAMILY = "StyleGAN2"


class Draws(NamedTuple):
    """The sources of a step's random inputs.

    latents: `(phase, key, ids [n], dim, step) -> [n, dim]`, phase one of "g", "path_length", "d".
    image_noise: `(key, ids) -> Noise` of the synthesis network.
    path_noise: `(key, ids, shape, step) -> [n, H, W, C]`, standard normal.
    """

    latents: Callable = lambda phase, key, ids, dim, step: example_normal(key, ids, (dim,))
    image_noise: Callable = RandomNoise
    path_noise: Callable = lambda key, ids, shape, step: example_normal(key, ids, shape)


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    module = lookup.module("models", config.model.name, "config.model.name")
    model = module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype))
    if not isinstance(model, StyleGAN2):
        raise UserError(f"config.model.name={config.model.name!r} has no styles, but recipe 'stylegan2' needs them")
    check_settings(config)
    settings = config.recipe
    architecture = config.model.discriminator_architecture
    frozen = frozen_layers(settings.freeze_d_layers, architecture, image_shape[0])
    return stylegan2(
        model,
        loss_of(settings),
        lazy_optimizer(config, "generator", settings.path_length_interval, enters_linearly),
        lazy_optimizer(config, "discriminator", settings.r1_interval, enters_linearly, frozen),
        image_shape=image_shape,
        batch_size=config.batch_size,
        settings=settings,
        augment=augmentation_of(settings, config.batch_size, image_shape),
        frozen=frozen,
    )


def enters_linearly(path: tuple[str, ...]) -> bool:
    """Whether a parameter is only added to an image or a logit, so that no gradient of these depends on it."""
    return path[-2:] in (("torgb", "bias"), ("out", "bias"))


def stylegan2(
    model: StyleGAN2,
    loss: AdversarialLoss,
    tx_g: LazyOptimizer,
    tx_d: LazyOptimizer,
    *,
    image_shape: tuple[int, int, int],
    batch_size: int,
    settings: ConfigDict,
    draws: Draws | None = None,
    augment: Augmentation | None = None,
    frozen: frozenset[tuple[str, str]] = frozenset(),
) -> Recipe:
    """The recipe from its parts. State: `{g, d, ema, path_length_mean, r1_penalty}`, with augmentation `strength`."""
    mapping, synthesis, discriminator, z_dim, num_ws = model
    observer = observations.Observer(loss.boundary, loss.distance)
    draws, settings = draws or Draws(), FrozenConfigDict(settings)

    def init(key):
        keys = jax.random.split(key, 3)
        labels = jnp.zeros((1,), jnp.int32)
        mapped = dict(mapping.init(keys[0], jnp.zeros((1, z_dim)), labels))
        made = dict(synthesis.init(keys[1], jnp.zeros((1, num_ws, mapping.w_dim))))
        params = {"mapping": mapped.pop("params"), "synthesis": made.pop("params")}
        stats = {"w_avg": mapped["w_avg"]["w_avg"], "noise": made["noise"]}
        ema = Average.start(params, stats)
        g = Player.create(params, stats, tx_g.main)
        params = discriminator.init(keys[2], jnp.zeros((1, *image_shape)), labels)["params"]
        zero = jnp.zeros(())
        d = Player.create(params, {}, tx_d.main)
        state = {"g": g, "d": d, "ema": ema, "path_length_mean": zero, "r1_penalty": jnp.zeros(())}
        return state if augment is None else {**state, "strength": augment.init()}

    def map_latents(params, latents, labels):
        variables = {"params": params["mapping"], "w_avg": {"w_avg": jnp.zeros((mapping.w_dim,))}}
        return mapping.apply(variables, latents, labels)

    def synthesize(params, stats, ws, noise):
        return synthesis.apply({"params": params["synthesis"], "noise": stats["noise"]}, ws, noise)

    def styles(params, phase, key, labels, count, step):
        """Styles [n, num_ws, D] of fresh latents, some mixed from two, and the mean of w over this device."""
        ids = example_ids(count)
        w = map_latents(params, draws.latents(phase, key, ids, z_dim, step), labels)
        ws = broadcast(w, num_ws)
        if settings.style_mixing:
            key_cutoff, key_whether, key_other = jax.random.split(jax.random.fold_in(key, 1), 3)
            cutoff = jax.random.randint(key_cutoff, (), 1, num_ws)
            cutoff = jnp.where(jax.random.uniform(key_whether) < settings.style_mixing, cutoff, num_ws)
            other = map_latents(params, draws.latents(phase, key_other, ids, z_dim, step), labels)
            ws = jnp.where((jnp.arange(num_ws) < cutoff)[None, :, None], ws, other[:, None])
        return ws, jax.lax.stop_gradient(jnp.mean(w, axis=0))

    def noise_of(key, count):
        return draws.image_noise(jax.random.fold_in(key, 2), example_ids(count))

    def moved(stats, w_mean):
        """The running mean of w that truncation pulls towards."""
        return {**stats, "w_avg": w_mean + settings.w_avg_beta * (stats["w_avg"] - w_mean)}

    def logits_of(params, images, labels):
        return discriminator.apply({"params": stopped(params, frozen)}, images, labels, train=True)

    def augmented(images, key, strength):
        """Images as inputs of the discriminator."""
        if augment is None:
            return images
        return augment.apply(images, jax.random.fold_in(key, 4), example_ids(images.shape[0]), strength.p)

    def generator_phase(g, d, keys, labels, count, step, strength):
        def loss_fn(params, stats, part):
            key, labels = part
            ws, w_mean = styles(params, "g", key, labels, count, step)
            fakes = augmented(synthesize(params, stats, ws, noise_of(key, count)), key, strength)
            logits = logits_of(d.params, fakes, labels)
            value = jnp.mean(loss.generator_loss(logits))
            return value, Outcome(moved(stats, w_mean), {"loss": value})

        g, outcome = descend(loss_fn, g, tx_g.main, (keys, labels))
        return g, outcome.metrics

    def path_length_phase(keys, labels, count, step, g, mean):
        count = max(count // settings.path_length_shrink, 1)

        def loss_fn(params, stats, part):
            key, labels = part
            labels = None if labels is None else labels[:count]
            ws, w_mean = styles(params, "path_length", key, labels, count, step)
            y = draws.path_noise(jax.random.fold_in(key, 3), example_ids(count), image_shape, step)
            lengths = path_lengths(lambda ws: synthesize(params, stats, ws, noise_of(key, count)), ws, y)
            batch_mean = average_over_devices(jnp.mean(lengths))
            penalty, new_mean = path_length_penalty(lengths, mean, settings.path_length_decay, batch_mean)
            value = settings.path_length_weight * settings.path_length_interval * jnp.mean(penalty)
            return value, Outcome(moved(stats, w_mean), {"mean": new_mean})

        g, outcome = descend(loss_fn, g, tx_g.regularization, (keys, labels))
        return g, outcome.metrics["mean"]

    def discriminator_phase(d, g, reals, keys, labels, step, strength):
        count = reals.shape[1]

        def loss_fn(params, stats, part):
            reals, labels, key, number = part
            ws, w_mean = styles(g.params, "d", key, labels, count, step)
            fakes = jax.lax.stop_gradient(synthesize(g.params, g.stats, ws, noise_of(key, count)))
            pairs = [observations.thumbnails(images, number, len(keys)) for images in (reals, fakes)]
            key_real, key_fake = jax.random.split(jax.random.fold_in(key, 5))
            reals, fakes = augmented(reals, key_real, strength), augmented(fakes, key_fake, strength)
            real_logits, fake_logits = logits_of(params, reals, labels), logits_of(params, fakes, labels)
            value = jnp.mean(loss.discriminator_loss(real_logits, fake_logits))
            metrics = {"loss": value, **observer.of_logits(real_logits, fake_logits)}
            metrics["sign_real"] = jnp.mean(jnp.sign(real_logits))
            return value, Outcome(stats, metrics, averages=(pairs, w_mean))

        d, outcome = descend(loss_fn, d, tx_d.main, (reals, labels, keys, jnp.arange(len(keys))))
        pairs, w_mean = outcome.averages
        g = g.replace(stats=moved(g.stats, w_mean))
        metrics = {f"{name}_d": value for name, value in outcome.metrics.items()}
        return d, g, metrics | observations.of_pairs(*pairs)

    def r1_phase(reals, keys, labels, strength, d, last):
        del last

        def loss_fn(params, stats, part):
            reals, labels, key = part

            def critic(x):  # the gradient is that of the images before augmentation
                return logits_of(params, augmented(x, key, strength), labels)

            penalties, logits = r1_and_logits(critic, reals)
            penalty, sign = jnp.mean(penalties), jnp.mean(jnp.sign(logits))
            value = settings.r1_gamma * settings.r1_interval * penalty
            return value, Outcome(stats, {"penalty": penalty, "sign": sign})

        d, outcome = descend(loss_fn, d, tx_d.regularization, (reals, labels, keys))
        return d, outcome.metrics["penalty"], jnp.stack([outcome.metrics["sign"], jnp.ones(())])

    def update(state, batch: Batch, key, step):
        g, d, reals = state["g"], state["d"], batch.images[0]
        labels = None if batch.labels is None else batch.labels[0]
        parts, count = reals.shape[:2]
        keys = [jax.random.split(jax.random.fold_in(key, i), parts) for i in range(4)]
        strength = state.get("strength")
        mean, r1_penalty = state["path_length_mean"], state["r1_penalty"]

        g, metrics_g = generator_phase(g, d, keys[0], labels, count, step, strength)
        if settings.path_length_weight:
            phase = partial(path_length_phase, keys[1], labels, count, step)
            due = step % settings.path_length_interval == 0
            g, mean = jax.lax.cond(due, phase, lambda *before: before, g, mean)
        d, g, metrics_d = discriminator_phase(d, g, reals, keys[2], labels, step, strength)
        signs = jnp.stack([metrics_d["sign_real_d"], jnp.ones(())])  # the mean sign of D(real), and of how many passes
        if settings.r1_gamma:
            phase, due = partial(r1_phase, reals, keys[3], labels, strength), step % settings.r1_interval == 0
            without = (jnp.zeros_like(signs),)
            d, r1_penalty, of_r1 = jax.lax.cond(due, phase, lambda *before: before + without, d, r1_penalty)
            signs += of_r1
        metrics = metrics_d | {f"{name}_g": value for name, value in metrics_g.items()}
        metrics |= {f"weight_norm_{name}": optax.tree.norm(player.params) for name, player in (("g", g), ("d", d))}
        metrics |= {"r1_penalty": r1_penalty, "path_length_mean": mean, "kimg": (step + 1) * batch_size / 1000}
        ema = _ema(state["ema"], g, step, batch_size, settings)
        state = {"g": g, "d": d, "ema": ema, "path_length_mean": mean, "r1_penalty": r1_penalty}
        if augment is not None:
            state["strength"] = augment.adapted(strength, *signs, step)
            metrics["augmentation_p"] = state["strength"].p
        return state, metrics

    views = stylegan2_views.views(map_latents, synthesize, z_dim, num_ws)
    # Path length updates take the same images on any number of devices.
    multiple = settings.path_length_shrink if settings.path_length_weight else 1
    return Recipe(init, update, views, facts={"synthesis": {"num_ws": num_ws}}, part_multiple=multiple)


def _ema(ema: Average, g: Player, step: jax.Array, batch_size: int, settings: ConfigDict) -> Average:
    """The generator's moving average: its half-life grows with the images seen, up to ema_kimg; buffers are copied."""
    if not settings.ema_kimg:
        return Average(g.params, g.stats)
    half_life = 1000.0 * settings.ema_kimg
    if settings.ema_ramp:
        half_life = jnp.minimum(half_life, step * (batch_size * settings.ema_ramp))
    beta = 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8))
    return Average(jax.tree.map(lambda a, p: p + beta * (a - p), ema.params, g.params), g.stats)
