"""Auxiliary classifier GAN (Odena et al. 2017): the discriminator also names the class of real and of fake images."""

from functools import partial

import jax.numpy as jnp

from jaxgen.losses import heads
from jaxgen.losses.adversarial import loss_of
from jaxgen.recipes import headed_networks, two_players
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.observations import Observer
from jaxgen.recipes.two_players import Game, Turn, judged
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "GANs with classes, codes or an autoencoder"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`.

    L_S is the log-likelihood of the source, real or fake. L_C is that of the class, on real and fake images. The
    discriminator maximises L_S + L_C, and the generator L_C - L_S (equations 2 and 3). `config.recipe.loss` takes the
    place of L_S, and `class_weight` weighs L_C. Fakes have the classes of the real images of the same batch.
    """
    settings = config.recipe
    headed_networks.need_classes(config, num_classes)
    require(settings, "config.recipe", NOT_NEGATIVE, "class_weight")
    loss, weight = loss_of(settings), settings.class_weight
    observer = Observer(loss.boundary, loss.distance)
    networks = headed_networks.networks_of(config, image_shape, num_classes, heads=(1, num_classes), labelled=True)

    def discriminator_loss(judge: Judge, turn: Turn):
        (_, (real, real_classes)), (_, (fake, fake_classes)) = judge(turn.reals), judge(turn.fakes)
        labels = turn.labels[0]
        nats = heads.class_nats(real_classes, labels) + heads.class_nats(fake_classes, labels)
        source = jnp.mean(loss.discriminator_loss(real[:, 0], fake[:, 0]))
        metrics = {
            **observer.of_logits(real[:, 0], fake[:, 0]),
            "class_nats": jnp.mean(nats),
            "class_accuracy_real": heads.accuracy(real_classes, labels),
            "class_accuracy_fake": heads.accuracy(fake_classes, labels),
        }
        return source + weight * jnp.mean(nats), metrics

    def generator_loss(judge: Judge, turn: Turn):
        _, (fake, classes) = judge(turn.fakes)
        nats = jnp.mean(heads.class_nats(classes, turn.labels[0]))
        return jnp.mean(loss.generator_loss(fake[:, 0])) + weight * nats, {"class_nats": nats}

    latents = partial(two_players.normal_latents, latent_dim=networks.latent_dim)
    game = Game(networks.generator, networks.discriminator, latents, discriminator_loss, generator_loss)

    def discriminate(state, examples, labels=None):
        return judged(game, state, examples)[1][0][:, 0]

    def classify(state, images):
        return judged(game, state, images)[1][1]

    return two_players.recipe_of(
        game,
        config,
        image_shape,
        views={"discriminate": discriminate, "classify": classify},
        facts={"discriminate": {"probability": loss.probability}},
    )
