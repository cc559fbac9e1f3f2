"""Converts between gray levels 0 to 255 and the networks' numbers in [-1, 1]."""

import jax
import jax.numpy as jnp

# The distance between two gray levels in [-1, 1].
GRAY_LEVEL = 1 / 127.5


def from_uint8(images: jax.Array) -> jax.Array:
    """0..255 -> float32 in [-1, 1]: x / 127.5 - 1."""
    return images.astype(jnp.float32) / 127.5 - 1


def to_uint8(images: jax.Array) -> jax.Array:
    """[-1, 1] -> 0..255 as FID tools expect it: x * 127.5 + 128, clipped, never stretched to a batch's own range."""
    return jnp.clip(images.astype(jnp.float32) * 127.5 + 128.0, 0, 255).astype(jnp.uint8)
