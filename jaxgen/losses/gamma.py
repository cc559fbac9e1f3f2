"""Gamma-distributed latents: draws with gradients by rejection sampling, densities and the KL divergence."""

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from jaxgen.ops.random import example_normal, example_uniform

# Proposals for each number. From a shape of 1 on, 95% or more are accepted (Marsaglia and Tsang 2000).
_PROPOSALS = 8
# Uniform numbers are at least half a step of float32 above 0: their logarithm is finite.
_HALF_STEP = 2.0**-25


def _cube_root(noise: jax.Array, shape: jax.Array) -> jax.Array:
    return 1 + noise / jnp.sqrt(9 * shape - 3)


def transformed(noise: jax.Array, shape: jax.Array) -> jax.Array:
    """h = (a - 1/3) (1 + e / sqrt(9 a - 3))^3 for a shape a of 1 or more (Marsaglia and Tsang 2000)."""
    return (shape - 1 / 3) * _cube_root(noise, shape) ** 3


def accepted_noise(key: jax.Array, ids: jax.Array, shape: jax.Array) -> jax.Array:
    """Noise e [B, Z] for which `transformed` is an exact Gamma(a, 1), for shapes a [B, Z] of 1 or more.

    It is the first accepted of eight proposals. With a of 1 the chance that all eight fail is 4e-11.
    """
    keys = jax.random.split(key)
    size = (_PROPOSALS, *shape.shape[1:])
    shape = jax.lax.stop_gradient(shape)[:, None]
    noise, uniform = example_normal(keys[0], ids, size), example_uniform(keys[1], ids, size) + _HALF_STEP
    cube = _cube_root(noise, shape) ** 3
    scale = shape - 1 / 3
    log_cube = jnp.log(jnp.where(cube > 0, cube, 1.0))
    accepted = (cube > 0) & (jnp.log(uniform) < 0.5 * noise**2 + scale * (1 - cube + log_cube))
    chosen = jnp.argmax(accepted, axis=1, keepdims=True)
    return jnp.take_along_axis(noise, chosen, axis=1)[:, 0]


def log_draws(key: jax.Array, ids: jax.Array, shape: jax.Array, rate: jax.Array, raised: int) -> jax.Array:
    """log z of z ~ Gamma(shape, rate), [B, Z], and the score of the draw, [B] (Naesseth et al. 2017).

    A number of Gamma(a + n, 1) times u_i^(1 / (a + i - 1)), i = 1..n, is one of Gamma(a, 1) (section 5). n is `raised`.
    The gradient of E f(z) is that of f(z) plus f(z) times the gradient of the score (equations 5 to 7).
    """
    keys = jax.random.split(key)
    high = shape + raised
    noise = accepted_noise(keys[0], ids, high)
    log_z = jnp.log(transformed(noise, high))
    # log of the density of the accepted noise, without terms that no parameter moves: log q(h; a) + log dh/de.
    log_slope = 0.5 * jnp.log(high - 1 / 3) + 2 * jnp.log(_cube_root(noise, high))
    score = jnp.sum((high - 1) * log_z - jnp.exp(log_z) - gammaln(high) + log_slope, axis=-1)
    uniform = example_uniform(keys[1], ids, (raised, *shape.shape[1:])) + _HALF_STEP
    orders = jnp.arange(raised).reshape(-1, *(1,) * (shape.ndim - 1))
    return log_z + jnp.sum(jnp.log(uniform) / (shape[:, None] + orders), axis=1) - jnp.log(rate), score


def log_density(log_z: jax.Array, shape: jax.Array, rate: jax.Array) -> jax.Array:
    """The log-density of Gamma(shape, rate) at z = exp(log_z), in nats."""
    return shape * jnp.log(rate) + (shape - 1) * log_z - rate * jnp.exp(log_z) - gammaln(shape)


def kl(shape: jax.Array, rate: jax.Array, prior_shape: float, prior_rate: float) -> jax.Array:
    """KL(Gamma(shape, rate) || Gamma(prior_shape, prior_rate)) in nats."""
    return (
        (shape - prior_shape) * digamma(shape)
        - gammaln(shape)
        + gammaln(prior_shape)
        + prior_shape * (jnp.log(rate) - jnp.log(prior_rate))
        + shape * (prior_rate / rate - 1)
    )
