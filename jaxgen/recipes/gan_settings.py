"""Checked settings of adversarial training: turns of the players, data and networks that fit each other."""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import AdversarialLoss
from jaxgen.models.base import GAN
from jaxgen.recipes.base import init_network
from jaxgen.recipes.tables import packed
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require


def check_turns(settings: ConfigDict, loss: AdversarialLoss) -> None:
    """Refuses turns of generator and discriminator that exclude each other. settings: `config.recipe`."""
    require(settings, "config.recipe", AT_LEAST_ONE, "n_critic", "generator_batch")
    if settings.share_fakes and settings.n_critic > 1:
        raise UserError("config.recipe.share_fakes=True needs n_critic=1. Set share_fakes=False")
    if settings.share_fakes and settings.generator_batch > 1:
        raise UserError(
            f"config.recipe.generator_batch={settings.generator_batch} makes fakes that the discriminator does not "
            "see. Set share_fakes=False"
        )
    if loss.generator_sees_reals and settings.generator_batch > 1:
        raise UserError(
            f"config.recipe.generator_batch={settings.generator_batch} makes more fakes than there are reals, but "
            f"config.recipe.loss={settings.loss!r} compares each fake with a real. Set generator_batch=1"
        )


def check_vectors(config, model_module) -> None:
    """Refuses settings that are for images only."""
    if not getattr(model_module, "VECTORS", False):
        raise UserError(
            f"config.model.name={config.model.name!r} makes images, but {config.data.name} has vectors. "
            "Use model.name=point_gan"
        )
    for key in ("diff_augment", "dequantize"):
        if config.recipe[key]:
            raise UserError(f"config.recipe.{key}={config.recipe[key]!r} is for images, not for {config.data.name}")


def check_examples_apart(model: GAN, image_shape, penalty: str) -> None:
    """A penalty needs each image's own gradient, which BatchNorm mixes with those of the batch."""
    pack = model.pack
    inputs = packed(jnp.zeros((pack, *image_shape)), pack), packed(jnp.zeros((pack,), jnp.int32), pack)
    _, stats = jax.eval_shape(lambda key: init_network(model.discriminator, key, *inputs), jax.random.key(0))
    if "batch_stats" in stats:
        raise UserError(
            f"config.recipe.penalty={penalty!r} needs a discriminator without BatchNorm, since it "
            "penalises single images (Gulrajani et al. 2017, section 4). Use model.name=sngan or mlp_gan, or "
            "model.batch_norm=False"
        )
