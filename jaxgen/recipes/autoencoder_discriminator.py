"""The networks and views of recipes whose discriminator is an autoencoder."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.energy_gan import EnergyGAN
from jaxgen.recipes import two_players
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.two_players import Game, judged
from jaxgen.settings import lookup


def networks_of(config, image_shape: tuple[int, int, int], num_classes: int) -> EnergyGAN:
    """The networks of `config.model`.

    Raises:
      UserError: the model has no autoencoder, or a setting is impossible.
    """
    module = lookup.module("models", config.model.name, "config.model.name")
    model = module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype))
    if not isinstance(model, EnergyGAN):
        raise UserError(
            f"config.model.name={config.model.name!r} has no autoencoder as discriminator, but recipe "
            f"{config.recipe.name!r} needs one. Use model.name=energy_gan"
        )
    return model


def recipe_of(
    networks: EnergyGAN,
    config,
    image_shape: tuple[int, int, int],
    *,
    energy: Callable,
    discriminator_loss: two_players.Loss,
    generator_loss: two_players.Loss,
    **kept,
) -> Recipe:
    """The recipe of two losses of energies, with the view "energy": `(state, images) -> [n]`.

    energy: `(images, reconstructions) -> [n]`. kept: `held` and `keep` of a game.
    """
    latents = partial(two_players.normal_latents, latent_dim=networks.latent_dim)
    game = Game(networks.generator, networks.autoencoder, latents, discriminator_loss, generator_loss, **kept)

    def energies(state, images):
        return energy(images, judged(game, state, images)[0])

    return two_players.recipe_of(game, config, image_shape, views={"energy": energies})
