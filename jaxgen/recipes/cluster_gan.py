"""ClusterGAN (Mukherjee et al. 2019): latents hold a one-hot cluster, and an encoder finds them again in the image."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.models.cluster_gan import ClusterGAN
from jaxgen.ops.random import example_ids, example_normal, example_uniform
from jaxgen.recipes.adversary import (
    Adversary,
    adversary_of,
    evaluated,
    init_networks,
    named,
    networks_of,
    shown_encoding,
    views_of,
)
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_train, descend
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, require

FAMILY = "GANs with an encoder or a partner"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    settings = config.recipe
    require(settings, "config.recipe", AT_LEAST_ONE, "n_critic")
    require(settings, "config.recipe", POSITIVE, "latent_deviation")
    require(settings, "config.recipe", NOT_NEGATIVE, "latent_weight", "cluster_weight")
    model = networks_of(config, image_shape, num_classes, ClusterGAN)
    example = (jnp.zeros((1, *image_shape)),)
    adversary = adversary_of(config, model.discriminator, example, config.steps * settings.n_critic)
    tx = optimizer_of(config.optimizers.generator, config.steps, "config.optimizers.generator")
    return cluster_gan(model, adversary, tx, image_shape=image_shape, settings=settings)


def cluster_gan(
    model: ClusterGAN,
    adversary: Adversary,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """ClusterGAN recipe from its parts. settings: `config.recipe`. State: `{g, d, ema}`, g with generator and encoder.

    Latents [latent_dim + num_clusters] are standard normal numbers and a one-hot cluster. The generator sees the former
    times `latent_deviation`. The critic has `n_critic` turns. Then generator and encoder minimise the generator's loss
    + `latent_weight` * mean (z_n - E(G(z))_n)^2 + `cluster_weight` * cross-entropy of z_c under E(G(z))_c.
    """
    generator, encoder, _, latent_dim, num_clusters = model
    deviation, n_critic, ema_decay = settings.latent_deviation, settings.n_critic, settings.ema_decay
    latent_weight, cluster_weight = settings.latent_weight, settings.cluster_weight

    def init(key):
        key_g, key_d = jax.random.split(key)
        image, latent = jnp.zeros((1, *image_shape)), jnp.zeros((1, latent_dim + num_clusters))
        params, stats = init_networks(key_g, generator=(generator, latent), encoder=(encoder, image))
        g = Player.create(params, stats, tx)
        return {"g": g, "d": adversary.start(key_d, image), "ema": Average.start(params, stats)}

    def latents(key, ids):
        uniform = example_uniform(jax.random.fold_in(key, 1), ids, ())
        cluster = jnp.minimum((num_clusters * uniform).astype(jnp.int32), num_clusters - 1)
        return jnp.concatenate([example_normal(key, ids, (latent_dim,)), jax.nn.one_hot(cluster, num_clusters)], axis=1)

    def scaled(latents):
        return latents.at[:, :latent_dim].multiply(deviation)

    def fakes_of(params, stats, key, count):
        """Latents, their images, and the generator's statistics."""
        z = latents(key, example_ids(count))
        key = jax.random.fold_in(key, 2)
        fakes, stats = apply_train(generator, params["generator"], stats["generator"], scaled(z), key=key)
        return z, fakes, stats

    def update_g(g, d, keys, count):
        def loss_fn(params, stats, key):
            z, fakes, stats_g = fakes_of(params, stats, key, count)
            keys = jax.random.split(jax.random.fold_in(key, 3))
            logits = adversary.judge(d, keys[0])(fakes)
            found, stats_e = apply_train(encoder, params["encoder"], stats["encoder"], fakes, key=keys[1])
            fooling = jnp.mean(adversary.loss.generator_loss(logits))
            error = jnp.mean(jnp.square(found[:, :latent_dim] - scaled(z)[:, :latent_dim]))
            entropy = jnp.mean(optax.softmax_cross_entropy(found[:, latent_dim:], z[:, latent_dim:]))
            loss = fooling + latent_weight * error + cluster_weight * entropy
            right = jnp.argmax(found[:, latent_dim:], axis=1) == jnp.argmax(z[:, latent_dim:], axis=1)
            metrics = {"loss": loss, "latent_error": error, "cluster_entropy": entropy}
            metrics["cluster_accuracy"] = jnp.mean(right, dtype=jnp.float32)
            return loss, Outcome({"generator": stats_g, "encoder": stats_e}, metrics)

        return descend(loss_fn, g, tx, keys)

    def update(state, batch: Batch, key, step):
        g, images = state["g"], batch.images
        parts, count = images.shape[1:3]
        keys_g = jax.random.split(jax.random.fold_in(key, n_critic), parts)

        def critic_turn(d, turn):
            images, key = turn
            keys = jax.random.split(key, parts)
            fakes = jnp.stack([fakes_of(g.params, g.stats, keys[i], count)[1] for i in range(parts)])
            return adversary.learn(d, (images,), [(fakes,)], keys)

        turns = images, jax.random.split(key, n_critic)
        if n_critic == 1:
            d, metrics = critic_turn(state["d"], jax.tree.map(lambda x: x[0], turns))
        else:
            d, metrics = jax.lax.scan(critic_turn, state["d"], turns)
            metrics = jax.tree.map(lambda x: x[-1], metrics)
        g, outcome = update_g(g, d, keys_g, count)
        metrics |= named(outcome.metrics, "g") | {"weight_norm_g": optax.tree.norm(g.params)}

        def refreshed(params, stats):
            _, fakes, stats_g = fakes_of(params, stats, keys_g[0], count)
            _, stats_e = apply_train(encoder, params["encoder"], stats["encoder"], fakes, key=keys_g[0])
            return {"generator": stats_g, "encoder": stats_e}

        ema = state["ema"].follow(g.params, g.stats, ema_decay, refreshed, step)
        return {"g": g, "d": d, "ema": ema}, metrics

    def decode(state, latents, labels=None):
        del labels
        return evaluated(state, "generator", generator, scaled(latents))

    def found(state, images):
        """Continuous latents in units of their deviation [n, Z], and logits of the clusters [n, K]."""
        output = evaluated(state, "encoder", encoder, images)
        return output[:, :latent_dim] / deviation, output[:, latent_dim:]

    def encode(state, images):
        """The continuous latents and the clusters' probabilities, without noise."""
        z, logits = found(state, images)
        return shown_encoding((jnp.concatenate([z, jax.nn.softmax(logits)], axis=1), None), False)

    def clusters(state, images):
        return jnp.argmax(found(state, images)[1], axis=1).astype(jnp.int32)

    def reconstruct(state, images):
        """From the continuous latents and the most probable cluster."""
        z, logits = found(state, images)
        cluster = jax.nn.one_hot(jnp.argmax(logits, axis=1), num_clusters)
        return decode(state, jnp.concatenate([z, cluster], axis=1))

    views = {**views_of(latents, decode, encode), "reconstruct": reconstruct, "clusters": clusters}
    return Recipe(init, update, views, batches=n_critic)
