"""Ways through a diffusion process with a trained network: samplers from noise to data, and the likelihood back."""

from types import ModuleType

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_normal


def euler(process: ModuleType, network, x, times):
    """Samples [B, ...] along the probability flow from the first state x, one evaluation of the network a step."""

    def step(x, span):
        t, following = span
        return x + (following - t) * process.velocity(network, x, t), None

    return jax.lax.scan(step, x, (times[:-1], times[1:]))[0]


def heun(process: ModuleType, network, x, times):
    """Samples [B, ...] by Heun's method, with a last step of Euler's (Karras et al. 2022, algorithm 1).

    It evaluates the network twice in each step but the last.
    """
    x = jax.lax.scan(_heun_step(process, network), x, (times[:-2], times[1:-1]))[0]
    return euler(process, network, x, times[-2:])


def _heun_step(process: ModuleType, network):
    def step(x, span):
        t, following = span
        slope = process.velocity(network, x, t)
        ahead = process.velocity(network, x + (following - t) * slope, following)
        return x + (following - t) * (slope + ahead) / 2, None

    return step


def ancestral(process: ModuleType, network, x, times, key, ids):
    """Samples [B, ...] with fresh noise in every step (Ho et al. 2020, algorithm 2).

    Each step draws from the posterior of the next state, given the state and the estimated image (Kingma et al. 2021,
    appendix A). The noise of step i depends on `key`, i and the samples' numbers `ids` [B] alone.
    """

    def step(x, span):
        number, t, following = span
        signal, noise = process.coefficients(t)
        next_signal, next_noise = process.coefficients(following)
        image = process.denoise(network, x, t)
        # x_t = ratio * x_next + N(0, added): `added` is what the way from the next state to this one has added.
        ratio = signal / next_signal
        added = jnp.square(noise) - jnp.square(ratio * next_noise)
        kept = jnp.square(next_noise / noise)
        mean = ratio * kept * x + next_signal * added / jnp.square(noise) * image
        fresh = example_normal(jax.random.fold_in(key, number), ids, x.shape[1:])
        return mean + jnp.sqrt(jnp.maximum(added * kept, 0.0)) * fresh, None

    return jax.lax.scan(step, x, (jnp.arange(len(times) - 1), times[:-1], times[1:]))[0]


def log_density(process: ModuleType, network, x, times, probe):
    """Log-density [B], in nats, that the probability flow gives the points x [B, ...] (Song et al. 2021, equation 39).

    Heun's method follows the flow from data to noise, and integrates the divergence of the velocity. One product with
    the Jacobian estimates the divergence without bias (Hutchinson's estimator).

    Args:
      process: a module of `jaxgen.processes`.
      network: the trained network.
      x: the points.
      times: from noise to data, as of `reversible_times`.
      probe: numbers of mean 0 and covariance 1 in the shape of x, such as random signs.
    """
    axes = tuple(range(1, x.ndim))

    def slope(state, t):
        x, _ = state
        # From the left, since the convolutions for CPUs have derivatives in reverse mode only.
        change, product_with = jax.vjp(lambda x: process.velocity(network, x, t), x)
        (product,) = product_with(probe)
        return change, jnp.sum(product * probe, axis=axes)

    def step(state, span):
        t, following = span
        along = slope(state, t)
        ahead = slope(jax.tree.map(lambda s, d: s + (following - t) * d, state, along), following)
        return jax.tree.map(lambda s, a, b: s + (following - t) * (a + b) / 2, state, along, ahead), None

    back = times[::-1]
    start = (x, jnp.zeros(x.shape[:1]) * x.reshape(x.shape[0], -1)[:, 0])
    (noise, divergence), _ = jax.lax.scan(step, start, (back[:-1], back[1:]))
    scaled = noise / process.START
    normal = -0.5 * (jnp.square(scaled) + jnp.log(2 * jnp.pi)) - jnp.log(process.START)
    return jnp.sum(normal, axis=axes) + divergence
