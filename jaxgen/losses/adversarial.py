"""Adversarial losses: how a discriminator separates real from fake, and how a generator answers.

Each loss is a pair of functions of logits [B] that return one number per example [B]. The recipe takes the mean.
Your own loss is a module with the same two functions. The config names it by its import path. An optional third
function, `smoothed_discriminator_loss`, allows label smoothing. `boundary` and `distance` allow more logs.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.settings import lookup


class AdversarialLoss(NamedTuple):
    """The two sides of one objective.

    discriminator_loss: `(real_logits [B], fake_logits [B]) -> [B]`, to be minimised by the discriminator.
    generator_loss: `(fake_logits [B]) -> [B]`, to be minimised by the generator.
    smoothed_discriminator_loss: `(real_logits [B], fake_logits [B], smoothing) -> [B]`, the discriminator's loss with
      the target of real images lowered from 1 to 1 - smoothing (one-sided, Salimans et al. 2016, section 3.4). None if
      real images have no target.
    probability: whether the sigmoid of a logit is the probability of a real image.
    boundary: the logit above which an image counts as real. None if there is no such value.
    distance: whether mean D(real) - mean D(fake) estimates a distance between the distributions.
    """

    discriminator_loss: Callable[[jax.Array, jax.Array], jax.Array]
    generator_loss: Callable[[jax.Array], jax.Array]
    smoothed_discriminator_loss: Callable[[jax.Array, jax.Array, float], jax.Array] | None = None
    probability: bool = False
    boundary: float | None = None
    distance: bool = False


def _cross_entropy(real: jax.Array, fake: jax.Array) -> jax.Array:
    # -log D(x) - log(1 - D(G(z))) with D = sigmoid(logit): softplus stays finite at any logit.
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def _smoothed_cross_entropy(real: jax.Array, fake: jax.Array, smoothing: float) -> jax.Array:
    # -(1 - s) log D - s log(1 - D) = softplus(-logit) + s logit.
    return _cross_entropy(real, fake) + smoothing * real


def _squares(real: jax.Array, fake: jax.Array, smoothing: float = 0.0) -> jax.Array:
    return 0.5 * (jnp.square(real - (1 - smoothing)) + jnp.square(fake))


# Goodfellow et al. 2014, section 3: the generator maximises log D(G(z)).
non_saturating = AdversarialLoss(
    _cross_entropy, lambda fake: jax.nn.softplus(-fake), _smoothed_cross_entropy, probability=True, boundary=0.0
)

# Goodfellow et al. 2014, equation 1: the generator minimises log(1 - D(G(z))), whose gradient vanishes when D wins.
saturating = AdversarialLoss(
    _cross_entropy, lambda fake: -jax.nn.softplus(fake), _smoothed_cross_entropy, probability=True, boundary=0.0
)

# Mao et al. 2017, equation 9 (a = 0, b = c = 1).
least_squares = AdversarialLoss(_squares, lambda fake: 0.5 * jnp.square(fake - 1), _squares, boundary=0.5)

# Arjovsky et al. 2017, equation 2; the Lipschitz constraint is not part of the loss.
wasserstein = AdversarialLoss(lambda real, fake: fake - real, lambda fake: -fake, distance=True)

# Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
hinge = AdversarialLoss(
    lambda real, fake: jax.nn.relu(1 - real) + jax.nn.relu(1 + fake), lambda fake: -fake, boundary=0.0
)

CHOICES = {
    "non_saturating": non_saturating,
    "saturating": saturating,
    "minimax": saturating,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "hinge": hinge,
}


def loss_of(settings) -> AdversarialLoss:
    """Both sides of the loss `config.recipe.loss`, with `config.recipe.label_smoothing` if it is set.

    Raises:
      UserError: an unknown name, a module without one side, an impossible smoothing, or a loss without a target for
        real images.
    """
    key, smoothing = "config.recipe.loss", settings.label_smoothing
    loss = lookup.member(CHOICES, settings.loss, key)
    if not isinstance(loss, AdversarialLoss):  # a module at an import path
        loss = lookup.as_fields(loss, AdversarialLoss, key)
    if not smoothing:
        return loss
    if not 0 < smoothing < 0.5:
        raise UserError(f"config.recipe.label_smoothing={smoothing}: it must be in [0, 0.5), and 0 turns it off")
    smoothed = loss.smoothed_discriminator_loss
    if smoothed is None:
        raise UserError(
            f"config.recipe.label_smoothing={smoothing}: this loss has no target for real images to lower. "
            "Use non_saturating, saturating or least_squares, or set label_smoothing=0"
        )
    return loss._replace(discriminator_loss=lambda real, fake: smoothed(real, fake, smoothing))
