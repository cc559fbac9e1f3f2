"""The variational bound of Kingma et al. 2021 in continuous time, whose ends of the noise schedule are learned.

The state at time t is x_t = alpha * image + sigma * N(0, 1), with alpha^2 + sigma^2 = 1 and sigma^2 = sigmoid(gamma).
The number gamma(t) rises linearly from t = 0 (data) to t = 1 (noise). The network estimates the noise.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import log_softmax, sigmoid, softplus

from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_normal

# The first values of the learned numbers (section 3.2 and appendix B of the paper): gamma at t = 0 and at t = 1.
PARAMS = {"gamma_0": -13.3, "gamma_1": 5.0}
START = 1.0
_GOLDEN = 0.6180339887498949
_LEVELS = 256


def of(params) -> "Process":
    """The process with learned numbers, as `PARAMS`."""
    return Process(params["gamma_0"], params["gamma_1"])


class Process(NamedTuple):
    """A process of `jaxgen.processes`, with gamma at both ends of the schedule."""

    gamma_0: jax.Array
    gamma_1: jax.Array

    START = START

    def times(self, steps: int) -> jax.Array:
        """Evenly spaced times [steps + 1] from 1 (noise) to 0 (data)."""
        return jnp.linspace(1.0, 0.0, steps + 1)

    reversible_times = times  # the noise at t = 0 is small, and not 0

    def gamma(self, t):
        """The logarithm of sigma^2 / alpha^2 at time t."""
        return self.gamma_0 + (self.gamma_1 - self.gamma_0) * t

    def coefficients(self, t):
        """Signal and noise of the state at time t: alpha and sigma."""
        gamma = self.gamma(t)
        return jnp.sqrt(sigmoid(-gamma)), jnp.sqrt(sigmoid(gamma))

    def noise(self, network, x, t):
        """The network's estimate of the noise in x [B, ...] at time t, a scalar or [B].

        The network's number for the time is that of `edm` at the same ratio of noise to signal.
        """
        return network(x, jnp.broadcast_to(self.gamma(t) / 8, x.shape[:1]))

    def denoise(self, network, x, t):
        """The estimated image behind x [B, ...] at time t, a scalar or [B]."""
        alpha, sigma = (_columns(part, x) for part in self.coefficients(t))
        return (x - sigma * self.noise(network, x, t)) / alpha

    def velocity(self, network, x, t):
        """dx/dt of the probability flow: gamma' sigma (noise - sigma x) / 2, from alpha' and sigma' of the state."""
        sigma = _columns(self.coefficients(t)[1], x)
        return 0.5 * (self.gamma_1 - self.gamma_0) * sigma * (self.noise(network, x, t) - sigma * x)

    def log_likelihood(self, network, images, key, ids):
        """An estimate [B], in nats, of the lower bound on the log-probability of gray levels (equations 11 and 15).

        Its terms are the divergence of the last state from N(0, 1), the gray levels behind the first, and the errors of
        the estimated noise. Each has one draw for an example. The times of a batch are a randomly shifted
        sequence that fills the interval evenly.

        Args:
          images: [B, ...], gray levels in [-1, 1] as of `jaxgen.ops.pixels.from_uint8`.
          key, ids: the draws depend on `key` and the examples' numbers `ids` [B] alone.
        """
        axes = tuple(range(1, images.ndim))
        keys = jax.random.split(key, 3)
        alpha, sigma = self.coefficients(1.0)
        log_variance = -softplus(-self.gamma_1)
        of_prior = 0.5 * (sigma**2 + jnp.square(alpha * images) - 1 - log_variance)
        first = images + jnp.exp(0.5 * self.gamma_0) * example_normal(keys[0], ids, images.shape[1:])
        levels = jnp.arange(_LEVELS) * GRAY_LEVEL - 1
        logits = log_softmax(-0.5 * jnp.exp(-self.gamma_0) * jnp.square(first[..., None] - levels))
        level = jnp.round((images + 1) / GRAY_LEVEL).astype(jnp.int32)
        of_levels = -jnp.take_along_axis(logits, level[..., None], axis=-1)[..., 0]
        t = jnp.mod(jax.random.uniform(keys[1]) + _GOLDEN * ids, 1.0)
        alpha, sigma = (_columns(part, images) for part in self.coefficients(t))
        noise = example_normal(keys[2], ids, images.shape[1:])
        errors = jnp.square(noise - self.noise(network, alpha * images + sigma * noise, t))
        of_noise = 0.5 * (self.gamma_1 - self.gamma_0) * errors
        return -jnp.sum(of_prior + of_levels + of_noise, axis=axes)

    def loss(self, network, images, key, ids):
        """The negative bound [B] in nats per dimension, which also trains the ends of the schedule.

        Arguments as for `log_likelihood`.
        """
        return -self.log_likelihood(network, images, key, ids) / (images.size / images.shape[0])


def _columns(numbers, x):
    """Numbers [B], or a scalar, as an array that multiplies x [B, ...]."""
    return jnp.broadcast_to(numbers, x.shape[:1]).reshape(-1, *(1,) * (x.ndim - 1))
