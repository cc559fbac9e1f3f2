"""FactorVAE (Kim and Mnih 2018): a VAE whose total correlation a discriminator of latents estimates.

The VAE minimises -ELBO + gamma E log D(z) / (1 - D(z)) (equation 2, by the density ratio of equation 3). D tells the
latents of images from others, whose columns were shuffled, each on its own, over another batch (algorithms 1 and 2).
Both batches of D's step pass the encoder after its own step.
"""

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses import elbo
from jaxgen.losses.likelihoods import likelihood_of
from jaxgen.models.latent_discriminator import LatentDiscriminator
from jaxgen.ops.across_devices import whole_batch
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import vae
from jaxgen.recipes.base import Batch, Outcome, Player, Recipe, apply_eval, apply_train, descend, init_network
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

FAMILY = "VAEs"

# Settings of the recipe `vae` that have no meaning here, and their defaults.
_NOT_HERE = {"regularizer": "", "iwae_samples": 1, "iwae_bounds": 1, "piwae": False, "deterministic_encoder": False}
_NOT_HERE |= {"posterior": "gaussian", "prior": "normal"}


def build(config, image_shape: tuple[int, ...], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`.

    Reads the keys of the recipe `vae`, `recipe.regularizer_weight` (gamma), `model.discriminator_width` and
    `model.hidden_layers` (of the discriminator), `optimizers.discriminator`.

    State: that of `vae`, and `discriminator`.
    """
    settings = config.recipe
    for key, usual in _NOT_HERE.items():
        if settings[key] != usual:
            raise UserError(
                f"config.recipe.{key}={settings[key]!r}: recipe 'factor_vae' has none. Leave it at {usual!r}"
            )
    require(settings, "config.recipe", NOT_NEGATIVE, "regularizer_weight")
    require(config.model, "config.model", AT_LEAST_ONE, "hidden_layers")
    gamma, width = settings.regularizer_weight, config.model.discriminator_width or config.model.width
    discriminator = LatentDiscriminator(width, config.model.hidden_layers, jnp.dtype(config.compute_dtype))
    tx = optimizer_of(config.optimizers.discriminator, config.steps, "config.optimizers.discriminator")

    def penalty(players, terms, key, step):
        del key, step
        player = players["discriminator"]
        logits = apply_eval(discriminator, player.params, player.stats, terms.codes.latents)
        total_correlation = jnp.mean(logits[:, 0] - logits[:, 1])
        return gamma * total_correlation, {"total_correlation": total_correlation}

    base = vae.build(config, image_shape, num_classes, penalty=penalty)
    likelihood = likelihood_of(settings, None)
    encoder, _, latent_dim, conditional = vae.model_of(config, image_shape, num_classes, likelihood)

    def init(key):
        key_vae, key_d = jax.random.split(key)
        params, stats = init_network(discriminator, key_d, jnp.zeros((1, latent_dim)))
        return {**base.init(key_vae), "discriminator": Player.create(params, stats, tx)}

    def latents_of(player, images, labels, key):
        """One draw from the posterior of each image, [b, Z]."""
        keys = [jax.random.fold_in(key, i) for i in range(3)]
        ids = example_ids(images.shape[0])
        inputs = likelihood.observe(images, keys[0], ids), *((labels,) if conditional else ())
        params, stats = player.params["encoder"], player.stats["encoder"]
        (mean, log_variance), _ = apply_train(encoder, params, stats, *inputs, key=keys[1])
        return elbo.reparameterize(example_normal(keys[2], ids, (latent_dim,)), mean, log_variance)

    def update(state, batch: Batch, key, step):
        key_vae, key_d = jax.random.split(key)
        trained, metrics = base.update(state, batch, key_vae, step)
        labels = batch.labels if conditional else (None, None)
        parts = *((batch.images[i], labels[i]) for i in range(2)), jax.random.split(key_d, batch.images.shape[1])

        def loss_fn(params, stats, part):
            *batches, key = part
            key_shuffle, *keys = (jax.random.fold_in(key, i) for i in range(3))
            latents, others = (latents_of(trained["vae"], *b, k) for b, k in zip(batches, keys, strict=True))
            shuffled = shuffle_columns(whole_batch(others), key_shuffle)[example_ids(others.shape[0])]
            real, fake = (apply_eval(discriminator, params, stats, z) for z in (latents, shuffled))
            loss, accuracy = classification(real, fake)
            return loss, Outcome(stats, {"loss": loss, "accuracy": accuracy})

        player, outcome = descend(loss_fn, state["discriminator"], tx, parts)
        metrics |= {f"{name}_d": value for name, value in outcome.metrics.items()}
        return {**trained, "discriminator": player}, metrics

    return base._replace(init=init, update=update, batches=2)


def classification(real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cross entropy in nats, and the accuracy, of logits [b, 2]: column 0 for latents of images (algorithm 2)."""
    margins = real[:, 0] - real[:, 1], fake[:, 1] - fake[:, 0]  # in favour of the truth
    loss = sum(0.5 * jnp.mean(jax.nn.softplus(-margin)) for margin in margins)
    return loss, sum(0.5 * jnp.mean(margin > 0) for margin in margins)


def shuffle_columns(latents: jax.Array, key: jax.Array) -> jax.Array:
    """Every column of [B, Z] in an order of its own: draws from the product of the marginals (algorithm 1)."""
    count, dimensions = latents.shape
    orders = jax.vmap(lambda key: jax.random.permutation(key, count))(jax.random.split(key, dimensions))
    return jnp.take_along_axis(latents, orders.T, axis=0)
