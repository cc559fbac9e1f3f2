"""BiGAN (Donahue et al. 2017) and ALI (Dumoulin et al. 2017): an encoder that learns to invert the generator.

The discriminator sees pairs. It separates (image, its code) from (generated image, its latent).
"""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models.bigan import BiGAN
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.adversary import (
    Adversary,
    adversary_of,
    code_of,
    evaluated,
    init_networks,
    named,
    networks_of,
    shown_encoding,
    views_of,
)
from jaxgen.recipes.base import Average, Batch, Outcome, Player, Recipe, apply_train, descend
from jaxgen.recipes.optimizers import optimizer_of

FAMILY = "GANs with an encoder or a partner"

_SATURATING = ("saturating", "minimax")


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    settings = config.recipe
    if settings.loss in _SATURATING or settings.label_smoothing:
        changed = ("loss", settings.loss) if settings.loss in _SATURATING else ("label_smoothing", 0)
        raise UserError(
            f"config.recipe.{changed[0]}={settings[changed[0]]!r}: recipe 'bigan' trains encoder and generator on the "
            "discriminator's loss with swapped labels. Set loss='non_saturating' and label_smoothing=0"
        )
    model = networks_of(config, image_shape, num_classes, BiGAN)
    pair = jnp.zeros((1, *image_shape)), jnp.zeros((1, model.latent_dim))
    adversary = adversary_of(config, model.discriminator, pair, config.steps)
    tx = optimizer_of(config.optimizers.generator, config.steps, "config.optimizers.generator")
    return bigan(model, adversary, tx, image_shape=image_shape, settings=settings)


def bigan(
    model: BiGAN,
    adversary: Adversary,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """BiGAN recipe from its parts. settings: `config.recipe`. State: `{g, d, ema}`, g with generator and encoder.

    Encoder and generator go first, against the old discriminator, which then learns from the same pairs. They minimise
    its loss with swapped labels (the "inverse" objective of Donahue et al. 2017), whose gradient does not vanish.
    """
    generator, encoder, _, latent_dim = model
    stochastic, ema_decay = not settings.deterministic_encoder, settings.ema_decay

    def init(key):
        key_g, key_d = jax.random.split(key)
        image, latent = jnp.zeros((1, *image_shape)), jnp.zeros((1, latent_dim))
        params, stats = init_networks(key_g, generator=(generator, latent), encoder=(encoder, image))
        g = Player.create(params, stats, tx)
        return {"g": g, "d": adversary.start(key_d, image, latent), "ema": Average.start(params, stats)}

    def pairs_of(params, stats, images, key):
        """Latents, their images, the codes of real images, and the statistics after them."""
        keys, ids = jax.random.split(key, 4), example_ids(images.shape[0])
        latents = example_normal(keys[0], ids, (latent_dim,))
        fakes, stats_g = apply_train(generator, params["generator"], stats["generator"], latents, key=keys[1])
        encoded, stats_e = apply_train(encoder, params["encoder"], stats["encoder"], images, key=keys[2])
        codes = code_of(encoded, keys[3], ids, stochastic)
        return latents, fakes, codes, {"generator": stats_g, "encoder": stats_e}

    def update(state, batch: Batch, key, step):
        g, d, images = state["g"], state["d"], batch.images[0]
        keys = jax.random.split(key, images.shape[0])

        def loss_fn(params, stats, part):
            images, key = part
            latents, fakes, codes, stats = pairs_of(params, stats, images, key)
            # The discriminator's statistics move on its own turn only.
            judge = adversary.judge(d, key)
            real, fake = judge(images, codes), judge(fakes, latents)
            value = jnp.mean(adversary.loss.discriminator_loss(fake, real))
            return value, Outcome(stats, {"loss": value}, (latents, fakes, codes))

        g, outcome = descend(loss_fn, g, tx, (images, keys))
        latents, fakes, codes = outcome.outputs
        d, metrics = adversary.learn(d, (images, codes), [(fakes, latents)], keys)
        metrics |= named(outcome.metrics, "g") | {"weight_norm_g": optax.tree.norm(g.params)}

        def refreshed(params, stats):
            return pairs_of(params, stats, images[0], keys[0])[-1]

        ema = state["ema"].follow(g.params, g.stats, ema_decay, refreshed, step)
        return {"g": g, "d": d, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def decode(state, latents, labels=None):
        del labels
        return evaluated(state, "generator", generator, latents)

    def encode(state, images):
        return shown_encoding(evaluated(state, "encoder", encoder, images), stochastic)

    return Recipe(init, update, views_of(latents, decode, encode))
