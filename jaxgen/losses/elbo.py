"""Lower bounds on the log-likelihood of a VAE with a standard normal prior and a diagonal Gaussian posterior."""

import jax
import jax.numpy as jnp

# The log-variance that stands for a code without noise: a draw is the mean, to float32's precision.
POINT = -30.0


def kl_to_standard_normal(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats per latent, [B, D] -> [B, D] (Kingma and Welling 2014, app. B).

    It is never negative: exp(v) - 1 - v is computed by `expm1`, without cancellation near v = 0.
    """
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def reparameterize(noise: jax.Array, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """z = mean + sigma * noise, all [B, D] (Kingma and Welling 2014, equation 10)."""
    return mean + jnp.exp(0.5 * log_variance) * noise


def negative_elbo(log_likelihood: jax.Array, kl: jax.Array, beta: float | jax.Array = 1.0) -> jax.Array:
    """-log p(x|z) + beta KL in nats per example.

    Args:
      log_likelihood: [B], summed over pixels.
      kl: [B, D], summed here over the latents.
      beta: weight of the KL term (Higgins et al. 2017, equation 4). The bound itself has beta = 1.
    """
    return -log_likelihood + beta * jnp.sum(kl, axis=-1)


def beta_at(step: jax.Array, beta: float, warmup: int) -> float | jax.Array:
    """`beta` after a linear warm-up from 0 over `warmup` steps (Bowman et al. 2016, Soenderby et al. 2016)."""
    return beta * jnp.minimum(1.0, step / warmup) if warmup else beta


def free_bits_kl(mean_kl: jax.Array, minimum: float) -> jax.Array:
    """sum_d max(minimum, KL_d) in nats, a scalar (free bits of Kingma et al. 2016, with each dimension as a group).

    A dimension with less than `minimum` still costs `minimum`, so nothing pushes it down further.

    Args:
      mean_kl: [D], the mean over the *whole* batch. A maximum of the parts' means would differ.
      minimum: nats per dimension.
    """
    return jnp.sum(jnp.maximum(minimum, mean_kl))


def log_prior_over_posterior(noise: jax.Array, latents: jax.Array, log_variance: jax.Array) -> jax.Array:
    """`log N(z; 0, 1) - log N(z; mean, variance)` for z = mean + sigma * noise, [..., D] -> [...].

    The constants cancel.
    """
    return 0.5 * jnp.sum(jnp.square(noise) + log_variance - jnp.square(latents), axis=-1)


def importance_weighted_bound(log_weights: jax.Array, axis: int) -> jax.Array:
    """log 1/K sum_k w_k over the K draws along `axis` (Burda et al. 2016, equation 8).

    log_weights: log p(x, z_k) - log q(z_k | x) in nats. K = 1 is the ELBO with its KL term sampled.
    """
    return jax.nn.logsumexp(log_weights, axis=axis) - jnp.log(log_weights.shape[axis])


def with_score(values: jax.Array, score: jax.Array) -> jax.Array:
    """`values` [B], whose gradient has `values` times that of `score` [B] added (REINFORCE, Williams 1992)."""
    return values + jax.lax.stop_gradient(values) * (score - jax.lax.stop_gradient(score))
