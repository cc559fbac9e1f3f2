"""Penalties of a regularised autoencoder (RAE, Ghosh et al. 2020) in place of a VAE's noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def latent_length(latents: jax.Array) -> jax.Array:
    """Half the squared length of each code, [B, Z] -> [B] (section 3.1)."""
    return 0.5 * jnp.sum(jnp.square(latents), axis=-1)


def squared_parameters(params) -> jax.Array:
    """The sum of all squared parameters of the decoder, a scalar (RAE-L2)."""
    return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))


def squared_slopes(decode: Callable, latents: jax.Array, probe: jax.Array) -> jax.Array:
    """Half the squared Frobenius norm of each example's Jacobian d image / d latents, estimated, [B] (RAE-GP).

    E |J^T v|^2 is that norm, for any v with covariance I (Hutchinson 1990). Slopes are those along the latents.

    Args:
      decode: latents [B, Z] -> images [B, ...], each from its own latents alone.
      probe: v, random signs in the shape of the images.
    """
    slopes = jax.vjp(decode, latents)[1](probe)[0]
    return 0.5 * jnp.sum(jnp.square(slopes), axis=-1)
