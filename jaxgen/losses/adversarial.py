"""Adversarial losses: how a discriminator separates real from fake, and how a generator answers.

Each loss is a pair of functions of logits [B] that return one number per example [B]. The recipe takes the mean.
Your own loss is a module with the same two functions. The config names it by its import path. An optional third
function, `smoothed_discriminator_loss`, allows label smoothing. `boundary` and `distance` allow more logs. With
`generator_sees_reals = True` the generator's loss takes real logits, too.

A sum over the whole batch comes from `jaxgen.ops.global_batch`. The batch is that of all devices, or one part of it
with gradient accumulation.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.ops import global_batch
from jaxgen.settings import lookup


class AdversarialLoss(NamedTuple):
    """The two sides of one objective.

    discriminator_loss: `(real_logits [B], fake_logits [B]) -> [B]`, to be minimised by the discriminator.
    generator_loss: `(fake_logits [B]) -> [B]`, to be minimised by the generator. With `generator_sees_reals` it is
      `(real_logits [B], fake_logits [B]) -> [B]`.
    smoothed_discriminator_loss: `(real_logits [B], fake_logits [B], smoothing) -> [B]`, the discriminator's loss with
      the target of real images lowered from 1 to 1 - smoothing (one-sided, Salimans et al. 2016, section 3.4). None if
      real images have no target.
    probability: whether the sigmoid of a logit is the probability of a real image.
    boundary: the logit above which an image counts as real. None if there is no such value.
    distance: whether mean D(real) - mean D(fake) estimates a distance between the distributions.
    generator_sees_reals: whether the generator's loss compares its fakes with reals. Fake i has the class of real i.
    """

    discriminator_loss: Callable[[jax.Array, jax.Array], jax.Array]
    generator_loss: Callable[..., jax.Array]
    smoothed_discriminator_loss: Callable[[jax.Array, jax.Array, float], jax.Array] | None = None
    probability: bool = False
    boundary: float | None = None
    distance: bool = False
    generator_sees_reals: bool = False


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

# Hjelm et al. 2018, Boundary-seeking GANs, for continuous data: the generator moves its fakes to the boundary, where
# the logit log D - log(1 - D) is 0. The logit itself keeps the loss finite at any D.
boundary_seeking = AdversarialLoss(
    _cross_entropy, lambda fake: 0.5 * jnp.square(fake), _smoothed_cross_entropy, probability=True, boundary=0.0
)


def _real_than_fake(real: jax.Array, fake: jax.Array) -> jax.Array:
    return jax.nn.softplus(fake - real)


# Jolicoeur-Martineau 2019, The relativistic discriminator (RpGAN): each real against one fake.
relativistic = AdversarialLoss(
    _real_than_fake, lambda real, fake: _real_than_fake(fake, real), generator_sees_reals=True
)


def _than_average(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log s(C(x) - E C(g)) - log(1 - s(C(g) - E C(x))), with means over the global batch."""
    return jax.nn.softplus(global_batch.mean(fake) - real) + jax.nn.softplus(fake - global_batch.mean(real))


# The same paper (RaGAN): each example against the average of the other kind. Both terms for both players.
relativistic_average = AdversarialLoss(
    _than_average, lambda real, fake: _than_average(fake, real), generator_sees_reals=True
)


def _log_partition(real: jax.Array, fake: jax.Array) -> jax.Array:
    """ln of the sum of exp(logit) over all reals and fakes of the global batch."""
    return global_batch.logsumexp(jnp.concatenate([real, fake]))


# Lin 2017, Softmax GAN, with D = -logit: a softmax over the batch. The discriminator's target is an
# equal share for each real. The generator's target is an equal share for all examples.
softmax = AdversarialLoss(
    lambda real, fake: _log_partition(real, fake) - real,
    lambda real, fake: _log_partition(real, fake) - 0.5 * (real + fake),
    generator_sees_reals=True,
)

CHOICES = {
    "non_saturating": non_saturating,
    "saturating": saturating,
    "minimax": saturating,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "hinge": hinge,
    "relativistic": relativistic,
    "relativistic_average": relativistic_average,
    "softmax": softmax,
    "boundary_seeking": boundary_seeking,
}


def loss_of(settings, with_reals: bool = False) -> AdversarialLoss:
    """Both sides of the loss `config.recipe.loss`, with `config.recipe.label_smoothing` if it is set.

    Args:
      settings: `config.recipe`.
      with_reals: whether the recipe gives real logits to the generator's loss.

    Raises:
      UserError: an unknown name, a module without one side, an impossible smoothing, a loss that the smoothing or the
        recipe does not suit.
    """
    key, smoothing = "config.recipe.loss", settings.label_smoothing
    loss = lookup.member(CHOICES, settings.loss, key)
    if not isinstance(loss, AdversarialLoss):  # a module at an import path
        loss = lookup.as_fields(loss, AdversarialLoss, key)
    if loss.generator_sees_reals and not with_reals:
        raise UserError(
            f"{key}={settings.loss!r} shows the generator real images, which recipe {settings.name!r} does not. "
            "Use recipe.name=gan or r3gan, or another loss"
        )
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
