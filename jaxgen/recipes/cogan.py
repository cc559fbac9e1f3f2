"""CoGAN (Liu and Tuzel 2016): pairs of images of two kinds, learned without a single pair.

Two GANs share layers. The first kind of images are the data. The second kind are made of other images of the data, so
that no discriminator ever sees a pair.
"""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models.cogan import CoGAN
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.adversary import Adversary, adversary_of, named, networks_of
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
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings import lookup

FAMILY = "GANs with an encoder or a partner"


def edges(images: jax.Array) -> jax.Array:
    """The image dilated by 3x3 pixels, minus the image: bright outlines on black, all in [-1, 1], [B, H, W, C]."""
    window = (1, 3, 3, 1)
    dilated = jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, window, (1, 1, 1, 1), "SAME")
    return dilated - images - 1


def negative(images: jax.Array) -> jax.Array:
    """Dark becomes bright, [B, H, W, C]."""
    return -images


SECOND_KINDS = {"edges": edges, "negative": negative}


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`."""
    settings = config.recipe
    if settings.second_kind not in SECOND_KINDS:
        raise UserError(lookup.unknown("config.recipe.second_kind", settings.second_kind, [*SECOND_KINDS]))
    model = networks_of(config, image_shape, num_classes, CoGAN)
    example = jnp.zeros((1, *image_shape))
    adversary = adversary_of(config, model.discriminator, (example, example), config.steps, penalized=False)
    tx = optimizer_of(config.optimizers.generator, config.steps, "config.optimizers.generator")
    return cogan(model, adversary, tx, image_shape=image_shape, settings=settings)


def cogan(
    model: CoGAN,
    adversary: Adversary,
    tx: optax.GradientTransformation,
    *,
    image_shape: tuple[int, int, int],
    settings: ConfigDict,
) -> Recipe:
    """CoGAN recipe from its parts. settings: `config.recipe`. State: `{g, d, ema}`.

    A step takes two batches: one as it is, and one that becomes images of the second kind. The generators go first, and
    the discriminators see the same fakes. Both losses are means over the two GANs.
    """
    generator, latent_dim = model.generator, model.latent_dim
    second, ema_decay = SECOND_KINDS[settings.second_kind], settings.ema_decay

    def init(key):
        key_g, key_d = jax.random.split(key)
        params, stats = init_network(generator, key_g, jnp.zeros((1, latent_dim)))
        image = jnp.zeros((1, *image_shape))
        g = Player.create(params, stats, tx)
        return {"g": g, "d": adversary.start(key_d, image, image), "ema": Average.start(params, stats)}

    def fakes_of(params, stats, key, count):
        latents = example_normal(key, example_ids(count), (latent_dim,))
        return apply_train(generator, params, stats, latents, key=jax.random.fold_in(key, 1))

    def update(state, batch: Batch, key, step):
        g, d, (first, other) = state["g"], state["d"], batch.images
        parts, count = first.shape[:2]
        keys = jax.random.split(key, parts)

        def loss_fn(params, stats, key):
            fakes, stats = fakes_of(params, stats, key, count)
            logits = adversary.judge(d, jax.random.fold_in(key, 2))(*fakes)
            value = jnp.mean(adversary.loss.generator_loss(logits))
            return value, Outcome(stats, {"loss": value}, fakes)

        g, outcome = descend(loss_fn, g, tx, keys)
        reals = first, second(other.reshape(-1, *image_shape)).reshape(other.shape)
        d, metrics = adversary.learn(d, reals, [outcome.outputs], keys)
        metrics |= named(outcome.metrics, "g") | {"weight_norm_g": optax.tree.norm(g.params)}

        def refreshed(params, stats):
            return fakes_of(params, stats, keys[0], count)[1]

        ema = state["ema"].follow(g.params, g.stats, ema_decay, refreshed, step)
        return {"g": g, "d": d, "ema": ema}, metrics

    def latents(key, ids):
        return example_normal(key, ids, (latent_dim,))

    def pair(state, latents):
        return apply_eval(generator, state["ema"].params, state["ema"].stats, latents)

    def decode(state, latents, labels=None):
        del labels
        return pair(state, latents)[0]

    def sample(state, key, ids, labels=None):
        return decode(state, latents(key, ids), labels)

    def sample_second(state, key, ids):
        """The images of the second kind that belong to the samples of these numbers."""
        return pair(state, latents(key, ids))[1]

    def sample_converted(state, key, ids):
        """The samples, made into images of the second kind as the data are: what `sample_second` should be."""
        return second(sample(state, key, ids))

    views = {"sample": sample, "latents": latents, "decode": decode}
    views |= {"sample_second": sample_second, "sample_converted": sample_converted}
    return Recipe(init, update, views, batches=2, images=(*Recipe._field_defaults["images"], *list(views)[3:]))
