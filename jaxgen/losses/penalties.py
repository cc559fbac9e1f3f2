"""Gradient penalties: for a smooth critic, and for a smooth generator (path length regularisation).

Penalties of a critic are pure functions `(critic, reals, fakes, key, ids) -> [B]`, one number per example. The recipe
multiplies the mean by `config.recipe.penalty_weight`. Your own penalty is a module with such a function `penalty`. The
config names it by its import path.

  critic: `images [B, ...] -> logits [B]`, each from its own image alone (no BatchNorm).
  reals, fakes: [B, ...], without gradients.
  key, ids [B]: random numbers depend on the example's number in the global batch, on any number of devices.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.ops.across_devices import varying_axes
from jaxgen.ops.random import DATA_AXIS, example_uniform
from jaxgen.settings import lookup

Critic = Callable[[jax.Array], jax.Array]


def squared_norm_of_gradient(critic: Critic, images: jax.Array) -> jax.Array:
    """The squared Euclidean norm [B] over all pixels of each logit's gradient with respect to its image."""
    return _squared_norm_and_logits(critic, images)[0]


def _squared_norm_and_logits(critic: Critic, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    def total(x):
        logits = critic(x)
        return jnp.sum(logits), logits

    # Every logit depends on its own image only, so the gradient of their sum holds all gradients side by side.
    gradient, logits = jax.grad(total, has_aux=True)(images)
    gradient = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))
    return jnp.sum(jnp.square(gradient), axis=tuple(range(1, images.ndim))), logits


def norm_of_gradient(critic: Critic, images: jax.Array) -> jax.Array:
    """The Euclidean norm [B]. At 0 its derivative counts as 0 instead of infinity."""
    return root(squared_norm_of_gradient(critic, images))


def root(squared: jax.Array) -> jax.Array:
    """The square root. Its derivative at 0 counts as 0."""
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def wgan_gp(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """(||grad D(x)|| - 1)^2 between real and fake images (Gulrajani et al. 2017, equation 3, weight 10)."""
    return jnp.square(norm_of_gradient(critic, interpolate(reals, fakes, key, ids)) - 1)


def dragan(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """(||grad D(x)|| - 1)^2 around real images (Kodali et al. 2017, section 2.3, weight 10).

    The noise is that of the authors' code: uniform in [0, s/2) on every pixel, with s the standard deviation of the
    batch. The point x lies anywhere between the image and its noisy version.
    """
    del fakes
    key_pixels, key_position = jax.random.split(key)
    noise = 0.5 * _standard_deviation(reals) * example_uniform(key_pixels, ids, reals.shape[1:])
    return jnp.square(norm_of_gradient(critic, interpolate(reals + noise, reals, key_position, ids)) - 1)


def r1(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """||grad D(x)||^2 / 2 on real images (Mescheder et al. 2018, equation 9, the weight is their gamma)."""
    del fakes, key, ids
    return r1_and_logits(critic, reals)[0]


def r1_and_logits(critic: Critic, reals: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`r1` [B] and its logits [B], from one pass."""
    squared, logits = _squared_norm_and_logits(critic, reals)
    return 0.5 * squared, logits


def r2(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """||grad D(x)||^2 / 2 on fake images (Mescheder et al. 2018, equation 10)."""
    del reals, key, ids
    return 0.5 * squared_norm_of_gradient(critic, fakes)


def r1_r2(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """`r1` and `r2` together (Huang et al. 2024, R3GAN, the weight is their gamma)."""
    return r1(critic, reals, fakes, key, ids) + r2(critic, reals, fakes, key, ids)


def wgan_div(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """||grad D(x)||^6 between real and fake images (Wu et al. 2018, WGAN-div: p = 6, weight k = 2)."""
    return squared_norm_of_gradient(critic, interpolate(reals, fakes, key, ids)) ** 3


def zero_centered(critic: Critic, reals, fakes, key, ids) -> jax.Array:
    """||grad D(x)||^2 between real and fake images (Thanh-Tung et al. 2019, section 5)."""
    return squared_norm_of_gradient(critic, interpolate(reals, fakes, key, ids))


def interpolate(reals: jax.Array, fakes: jax.Array, key, ids) -> jax.Array:
    """eps * real + (1 - eps) * fake, one eps in [0, 1) for each example."""
    eps = example_uniform(key, ids, (1,) * (reals.ndim - 1))
    return eps * reals + (1 - eps) * fakes


def _standard_deviation(images: jax.Array) -> jax.Array:
    """Of all pixels of the global batch."""
    moments = jnp.stack([jnp.mean(images), jnp.mean(jnp.square(images))])
    if DATA_AXIS in varying_axes(moments):
        moments = jax.lax.pmean(moments, DATA_AXIS)
    return jnp.sqrt(jnp.maximum(moments[1] - jnp.square(moments[0]), 0))


def path_lengths(synthesize: Callable, ws: jax.Array, noise: jax.Array) -> jax.Array:
    """|J^T y| [N], the length of the gradient of <image, y> with respect to each image's styles.

    Path length regularisation (Karras et al. 2020, section 3.2, equation 4): a step in w changes the image by a fixed
    amount.

    Args:
      synthesize: `ws -> images [N, H, W, C]`, each from its own styles alone.
      ws: [N, L, D], one w for each layer. Lengths are over D, and their squares are averaged over L.
      noise: y before its division by sqrt(H * W), standard normal [N, H, W, C].
    """
    _, height, width, _ = noise.shape
    noise = noise / math.sqrt(height * width)
    gradient = jax.grad(lambda ws: jnp.sum(synthesize(ws) * noise))(ws)
    squared = jnp.mean(jnp.sum(jnp.square(gradient), axis=2), axis=1)
    return root(squared)  # a saturated image has no gradient


def path_length_penalty(lengths: jax.Array, mean: jax.Array, decay: float, batch_mean: jax.Array):
    """The penalties (|J^T y| - a)^2 [N], and the new a.

    Args:
      lengths: [N]. mean: the present a, a scalar, 0 at the start. decay: share of the batch in the new a (0.01).
      batch_mean: the mean of the lengths over all devices.

    Returns:
      The penalties, whose gradient flows through a as well, and a without a gradient.
    """
    mean = mean + decay * (batch_mean - mean)
    return jnp.square(lengths - mean), jax.lax.stop_gradient(mean)


CHOICES = {
    "wgan_gp": wgan_gp,
    "dragan": dragan,
    "r1": r1,
    "r2": r2,
    "r1_r2": r1_r2,
    "zero_centered": zero_centered,
    "wgan_div": wgan_div,
}


def penalty_of(name: str) -> Callable:
    """The penalty `config.recipe.penalty`.

    Raises:
      UserError: an unknown name, or a module without `penalty`.
    """
    penalty = lookup.member(CHOICES, name, "config.recipe.penalty")
    return penalty if callable(penalty) else lookup.need(penalty, "penalty", "config.recipe.penalty")
