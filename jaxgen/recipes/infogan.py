"""InfoGAN (Chen et al. 2016): codes among the latents, which a second output of the discriminator must tell."""

import math

import jax.numpy as jnp

from jaxgen.losses.adversarial import loss_of
from jaxgen.recipes import headed_networks, two_players
from jaxgen.recipes.base import Recipe
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.latent_codes import codes_of
from jaxgen.recipes.observations import Observer
from jaxgen.recipes.two_players import Game, Turn, judged
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

FAMILY = "GANs with classes, codes or an autoencoder"


def build(config, image_shape: tuple[int, int, int], num_classes: int) -> Recipe:
    """The recipe of a config. Arguments and errors as for `jaxgen.recipes.gan.build`. Labels are not used.

    The game is min_{G, Q} max_D V - lambda L_I with L_I = E log Q(c | G(z, c)) + H(c) (equations 5 and 6). Q shares the
    layers of D and is trained with them on D's turn, as in the authors' code. The generator learns L_I on its own turn.
    A categorical code has a softmax. A continuous code has a Gaussian of unit variance.
    """
    settings = config.recipe
    require(settings, "config.recipe", NOT_NEGATIVE, "code_weight", "continuous_code_weight")
    loss, codes = loss_of(settings), codes_of(settings)
    weights = settings.code_weight, settings.continuous_code_weight
    observer = Observer(loss.boundary, loss.distance)
    networks = headed_networks.networks_of(config, image_shape, num_classes, heads=(1, codes.outputs), labelled=False)
    codes = codes._replace(noise=networks.latent_dim)
    entropy = sum(math.log(size) for size in codes.categories)

    def told(outputs, turn: Turn):
        """The weighted loss of the codes, and what is logged: L_I of the categorical codes, and the squared errors."""
        nats, squares = (jnp.mean(of(outputs, turn.latents)) for of in (codes.nats_of, codes.squares_of))
        metrics = {"information": entropy - nats} if codes.categories else {}
        metrics |= {"code_error": squares} if codes.continuous else {}
        return weights[0] * nats + weights[1] * squares, metrics

    def discriminator_loss(judge: Judge, turn: Turn):
        (_, (real, _)), (_, (fake, outputs)) = judge(turn.reals), judge(turn.fakes)
        code_loss, metrics = told(outputs, turn)
        source = jnp.mean(loss.discriminator_loss(real[:, 0], fake[:, 0]))
        return source + code_loss, {**observer.of_logits(real[:, 0], fake[:, 0]), **metrics}

    def generator_loss(judge: Judge, turn: Turn):
        _, (fake, outputs) = judge(turn.fakes)
        code_loss, metrics = told(outputs, turn)
        return jnp.mean(loss.generator_loss(fake[:, 0])) + code_loss, metrics

    game = Game(networks.generator, networks.discriminator, codes.draw, discriminator_loss, generator_loss)

    def discriminate(state, examples, labels=None):
        return judged(game, state, examples)[1][0][:, 0]

    def clusters(state, images):
        """The most probable value of the first categorical code, int32 [n]."""
        outputs = judged(game, state, images)[1][1]
        return jnp.argmax(codes.logits_of(outputs)[0], axis=-1).astype(jnp.int32)

    views = {"discriminate": discriminate} | ({"clusters": clusters} if codes.categories else {})
    facts = {"discriminate": {"probability": loss.probability}, "latents": {"layout": codes.layout}}
    return two_players.recipe_of(game, config, image_shape, views=views, facts=facts)
