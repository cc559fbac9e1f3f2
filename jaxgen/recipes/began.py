"""Boundary equilibrium GAN (Berthelot et al. 2017): the errors of real and fake images keep a chosen ratio."""

import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses import energies
from jaxgen.recipes import autoencoder_discriminator
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.two_players import Turn
from jaxgen.settings.number_ranges import POSITIVE, require

FAMILY = "GANs with classes, codes or an autoencoder"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`. Labels are not used.

    L_D = L(x) - k L(G(z)) and L_G = L(G(z)), with the mean absolute error L of the autoencoder (section 3.4). After a
    step k moves by `config.recipe.balance_rate` times gamma L(x) - L(G(z)), within [0, 1], from the mean errors
    of the whole batch. Gamma is `config.recipe.diversity_ratio`. The measure of convergence is logged as `convergence`.
    """
    settings = config.recipe
    require(settings, "config.recipe", POSITIVE, "balance_rate")
    if not 0 < settings.diversity_ratio <= 1:
        raise UserError(f"config.recipe.diversity_ratio={settings.diversity_ratio}: it must be in (0, 1]")
    rates = {"ratio": settings.diversity_ratio, "rate": settings.balance_rate}
    networks = autoencoder_discriminator.networks_of(config, image_shape, num_classes)

    def discriminator_loss(judge: Judge, turn: Turn):
        real = jnp.mean(energies.absolute(turn.reals, judge(turn.reals)[0]))
        fake = jnp.mean(energies.absolute(turn.fakes, judge(turn.fakes)[0]))
        return real - turn.held["fake_share"] * fake, {"energy_real": real, "energy_fake": fake}

    def generator_loss(judge: Judge, turn: Turn):
        return jnp.mean(energies.absolute(turn.fakes, judge(turn.fakes)[0])), {}

    def keep(held, of_g, of_d):
        share, convergence = energies.balance(held["fake_share"], of_d["energy_real"], of_g["loss"], **rates)
        return {"fake_share": share}, {"fake_share": share, "convergence": convergence}

    return autoencoder_discriminator.recipe_of(
        networks,
        config,
        image_shape,
        energy=energies.absolute,
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
        held={"fake_share": 0.0},
        keep=keep,
    )
