"""Energy-based GAN (Zhao et al. 2017): real images have low energy, and fakes have an energy above a margin."""

import jax.numpy as jnp

from jaxgen.losses import energies
from jaxgen.recipes import autoencoder_discriminator
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.two_players import Turn
from jaxgen.settings.number_ranges import NOT_NEGATIVE, POSITIVE, require

FAMILY = "GANs with classes, codes or an autoencoder"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`. Labels are not used.

    L_D = D(x) + max(0, m - D(G(z))) and L_G = D(G(z)) + w PT (equations 1, 2 and 4). D(x) is the Euclidean distance of
    an image from its reconstruction, m is `config.recipe.margin`, w is `pull_away_weight`. The pull-away term PT is
    taken on the codes of the fakes, over all devices.
    """
    settings = config.recipe
    require(settings, "config.recipe", POSITIVE, "margin")
    require(settings, "config.recipe", NOT_NEGATIVE, "pull_away_weight")
    margin, weight = settings.margin, settings.pull_away_weight
    networks = autoencoder_discriminator.networks_of(config, image_shape, num_classes)

    def discriminator_loss(judge: Judge, turn: Turn):
        real = energies.euclidean(turn.reals, judge(turn.reals)[0])
        fake = energies.euclidean(turn.fakes, judge(turn.fakes)[0])
        metrics = {"energy_real": jnp.mean(real), "energy_fake": jnp.mean(fake)}
        metrics["above_margin"] = jnp.mean(fake > margin, dtype=jnp.float32)
        return jnp.mean(energies.with_margin(real, fake, margin)), metrics

    def generator_loss(judge: Judge, turn: Turn):
        reconstructions, codes = judge(turn.fakes)
        energy = jnp.mean(energies.euclidean(turn.fakes, reconstructions))
        pull_away = jnp.mean(energies.pull_away(codes))
        return energy + weight * pull_away, {"pull_away": pull_away}

    return autoencoder_discriminator.recipe_of(
        networks,
        config,
        image_shape,
        energy=energies.euclidean,
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
    )
