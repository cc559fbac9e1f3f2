"""Vector quantisation with a codebook of moving averages (van den Oord et al. 2017, section 3 and appendix A.1)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Keeps a code that nothing has used for thousands of steps from a division by zero.
_EPSILON = 1e-9


class Codebook(NamedTuple):
    """Moving averages over batches: each code's share of vectors [K], and that share times their mean [K, D].

    Shares replace counts, so that the mean over devices equals the share of the whole batch.
    """

    usage: jax.Array
    sums: jax.Array

    def vectors(self) -> jax.Array:
        """The codes' vectors [K, D]: the mean of each code's vectors (equation 8)."""
        return self.sums / (self.usage + _EPSILON)[:, None]


def init_codebook(key: jax.Array, num_codes: int, code_dim: int) -> Codebook:
    """Standard normal vectors, all used equally. The first batch replaces them."""
    return Codebook(jnp.full((num_codes,), 1 / num_codes), jax.random.normal(key, (num_codes, code_dim)) / num_codes)


def nearest(encoded: jax.Array, vectors: jax.Array) -> jax.Array:
    """Number of the nearest code, [..., D] and [K, D] -> int32 [...] (equation 1)."""
    distances = jnp.sum(jnp.square(vectors), axis=-1) - 2 * encoded @ vectors.T  # + |z|^2, the same for all codes
    return jnp.argmin(distances, axis=-1).astype(jnp.int32)


def straight_through(encoded: jax.Array, quantized: jax.Array) -> jax.Array:
    """`quantized`, with its gradient passed to `encoded` unchanged."""
    return encoded + jax.lax.stop_gradient(quantized - encoded)


def commitment(encoded: jax.Array, quantized: jax.Array) -> jax.Array:
    """|z_e - sg(e)|^2 summed over an example's codes and dimensions, [B, ..., D] -> [B] (equation 3, third term)."""
    squares = jnp.square(encoded - jax.lax.stop_gradient(quantized))
    return jnp.sum(squares, axis=tuple(range(1, squares.ndim)))


def shares(encoded: jax.Array, codes: jax.Array, num_codes: int) -> tuple[jax.Array, jax.Array]:
    """The contribution of one batch to a codebook: usage [K] and sums [K, D], divided by the number of vectors."""
    chosen = jax.nn.one_hot(codes.ravel(), num_codes)
    flat = encoded.reshape(-1, encoded.shape[-1])
    return chosen.mean(axis=0), chosen.T @ flat / flat.shape[0]


def perplexity(usage: jax.Array) -> jax.Array:
    """exp of the entropy of the codes' shares [K]: K for equal use, 1 for a single code."""
    return jnp.exp(-jnp.sum(usage * jnp.log(jnp.maximum(usage, 1e-20))))


def move_codebook(
    codebook: Codebook,
    usage: jax.Array,
    sums: jax.Array,
    candidates: jax.Array,
    *,
    decay: float,
    revive_below: float,
    start: jax.Array,
) -> tuple[Codebook, jax.Array]:
    """One step of the moving averages (equations 6 and 7). Dead codes are replaced.

    Args:
      codebook: the codebook before the step.
      usage, sums: `shares` of the whole batch.
      candidates: [K, D] encoder outputs, picked at random from the whole batch.
      decay: decay of the averages.
      revive_below: a code with less than this fraction of an even share, 1/K, is replaced by its candidate. The
        candidate starts with an even share, as in Jukebox (Dhariwal et al. 2020, section 3). 0 replaces no code.
      start: whether candidates replace all codes. A codebook far from the encoder's outputs would begin with one code
        for all.

    Returns:
      The codebook after the step, and the number of replaced codes.
    """
    even = 1 / usage.shape[0]
    usage = decay * codebook.usage + (1 - decay) * usage
    sums = decay * codebook.sums + (1 - decay) * sums
    dead = (usage < revive_below * even) | start
    moved = Codebook(jnp.where(dead, even, usage), jnp.where(dead[:, None], even * candidates, sums))
    return moved, jnp.sum(dead, dtype=jnp.float32)
