"""Parts of networks that look at images or latents: discriminators and encoders of several models are built of them."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.ops.layers import BatchNorm, Conv, Dense

NORMAL = nn.initializers.normal(0.02)
SLOPE = 0.2


class Halvings(nn.Module):
    """DCGAN's discriminator without its last layer: 4x4 stride-2 convolutions that double the channels, LeakyReLU 0.2.

    It has the stages `first` to `end` - 1: [B, H, W, C] -> [B, H / 2^n, W / 2^n, width * 2^(end - 1)] with n stages.
    Stage 0 has `width` channels. All other stages have batch normalisation if `batch_norm`.
    """

    width: int
    end: int
    first: int = 0
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        for stage in range(self.first, self.end):
            normalized = self.batch_norm and stage > 0
            options = {"use_bias": not normalized, "kernel_init": NORMAL, "dtype": self.dtype}
            x = Conv(self.width << stage, kernel_size=4, stride=2, padding=1, **options)(x)
            x = nn.leaky_relu(BatchNorm(dtype=self.dtype)(x, train) if normalized else x, SLOPE)
        return x


class Head(nn.Module):
    """Dense layers of `hidden` units with LeakyReLU 0.2, then a linear one: [B, ...] -> [B, outputs], float32."""

    outputs: int
    hidden: tuple[int, ...] = ()
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        del train
        x = x.reshape(x.shape[0], -1)
        for units in self.hidden:
            x = nn.leaky_relu(Dense(units, kernel_init=NORMAL, dtype=self.dtype)(x), SLOPE)
        return Dense(self.outputs, kernel_init=NORMAL, dtype=self.dtype)(x).astype(jnp.float32)


class LatentCritic(nn.Module):
    """A discriminator of latents: [B, Z] -> logits [B], through `layers` hidden layers of `width` units."""

    width: int = 512
    layers: int = 2

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> jax.Array:
        x = latents
        for _ in range(self.layers):
            x = nn.leaky_relu(Dense(self.width)(x), SLOPE)
        return Dense(1)(x).astype(jnp.float32)[:, 0]
