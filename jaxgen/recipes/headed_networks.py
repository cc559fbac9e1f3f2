"""The networks of recipes whose discriminator has several outputs."""

import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.headed_gan import HeadedGAN
from jaxgen.settings import lookup


def networks_of(
    config, image_shape: tuple[int, int, int], num_classes: int, *, heads: tuple[int, ...], labelled: bool
) -> HeadedGAN:
    """The networks of `config.model`, with the outputs `heads` of the discriminator.

    Args:
      labelled: whether the generator knows the class.

    Raises:
      UserError: the model has one output only, or a setting is impossible.
    """
    module = lookup.module("models", config.model.name, "config.model.name")
    if not getattr(module, "HEADS", False):
        raise UserError(
            f"config.model.name={config.model.name!r} has a discriminator with one output, but recipe "
            f"{config.recipe.name!r} needs several. Use model.name=headed_gan"
        )
    dtype = jnp.dtype(config.compute_dtype)
    return module.build(config.model, image_shape, num_classes, dtype, heads=heads, labelled=labelled)


def need_classes(config, num_classes: int) -> None:
    """Refuses data without class labels."""
    if not num_classes:
        raise UserError(
            f"config.recipe.name={config.recipe.name!r} needs data with class labels, but {config.data.name} has none"
        )
