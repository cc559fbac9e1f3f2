"""Semi-supervised GAN (Salimans et al. 2016, section 5): a classifier of K classes that also tells real from fake."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxgen.losses import heads
from jaxgen.losses.adversarial import non_saturating
from jaxgen.recipes import headed_networks, two_players
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.observations import Observer
from jaxgen.recipes.two_players import Game, Turn, judged
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

FAMILY = "GANs with classes, codes or an autoencoder"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`.

    A softmax over the K classes and one more for fakes gives both answers. Each step takes a batch without labels and a
    batch of labelled examples. The labelled examples are `config.recipe.labelled_per_class` of each class, and
    all others stay without labels. The generator matches the means of the discriminator's features (section 3.1).
    """
    settings = config.recipe
    headed_networks.need_classes(config, num_classes)
    require(settings, "config.recipe", AT_LEAST_ONE, "labelled_per_class")
    require(settings, "config.recipe", NOT_NEGATIVE, "unlabelled_weight")
    weight = settings.unlabelled_weight
    observer = Observer(non_saturating.boundary)
    networks = headed_networks.networks_of(config, image_shape, num_classes, heads=(num_classes,), labelled=False)

    def discriminator_loss(judge: Judge, turn: Turn):
        (_, (unlabelled,)), (_, (labelled,)), (_, (fake,)) = map(judge, (turn.reals, turn.images[1], turn.fakes))
        labels = turn.labels[1]
        real, fake = heads.real_logit(unlabelled), heads.real_logit(fake)
        nats = jnp.mean(heads.class_nats(labelled, labels))
        unsupervised = jnp.mean(non_saturating.discriminator_loss(real, fake))
        metrics = {"class_nats": nats, "class_accuracy_labelled": heads.accuracy(labelled, labels)}
        return nats + weight * unsupervised, {**observer.of_logits(real, fake), **metrics}

    def generator_loss(judge: Judge, turn: Turn):
        (real, _), (fake, _) = judge(turn.reals), judge(turn.fakes)
        return heads.feature_matching(jax.lax.stop_gradient(real), fake), {}

    latents = partial(two_players.normal_latents, latent_dim=networks.latent_dim)
    game = Game(networks.generator, networks.discriminator, latents, discriminator_loss, generator_loss)

    def discriminate(state, examples, labels=None):
        return heads.real_logit(judged(game, state, examples)[1][0])

    def classify(state, images):
        return judged(game, state, images)[1][0]

    return two_players.recipe_of(
        game,
        config,
        image_shape,
        views={"discriminate": discriminate, "classify": classify},
        facts={"discriminate": {"probability": True}},
        batches=2,
        labelled_per_class=settings.labelled_per_class,
    )
