"""A discriminator of latents: dense layers from a vector to two logits (Kim and Mnih 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.ops.layers import Dense


class LatentDiscriminator(nn.Module):
    """`hidden_layers` layers of `width` units with LeakyReLU 0.2, then two logits: [B, Z] -> [B, 2], float32."""

    width: int = 1000
    hidden_layers: int = 6
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> jax.Array:
        del train
        x = latents
        for _ in range(self.hidden_layers):
            x = nn.leaky_relu(Dense(self.width, dtype=self.dtype)(x), 0.2)
        return Dense(2, dtype=self.dtype)(x).astype(jnp.float32)
