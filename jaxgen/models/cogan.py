"""The networks of CoGAN (Liu and Tuzel 2016): two generators and two discriminators that share layers.

The generators share their first layers and the discriminators their last ones: the layers that see what an image means.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.base import doublings
from jaxgen.models.image_parts import NORMAL, Halvings
from jaxgen.ops.layers import BatchNorm, Conv, ConvTranspose, Dense


class CoGAN(NamedTuple):
    """Networks of two coupled GANs.

    generator: `(latents [B, latent_dim], train=...) -> (images, images)`, each [B, H, W, C] in [-1, 1].
    discriminator: `(images of the first kind, images of the second, train=...) -> logits [B, 2]`, float32.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> CoGAN:
    """DCGAN's convolutions for images [H, W, C]. Config keys: latent_dim, width, batch_norm (generator).

    Raises:
      UserError: an image size that it cannot make.
    """
    del num_classes
    doublings(image_shape)
    return CoGAN(
        CoupledGenerator(image_shape, config.width, config.batch_norm, dtype),
        CoupledDiscriminator(config.width, dtype),
        config.latent_dim,
    )


class CoupledGenerator(nn.Module):
    """DCGAN's generator. Only its last layer exists twice, as in the paper."""

    image_shape: tuple[int, int, int]
    width: int = 64
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        start, count = doublings(self.image_shape)
        channels = self.width << (count - 1)
        options = {"use_bias": not self.batch_norm, "kernel_init": NORMAL, "dtype": self.dtype}

        def activate(x):
            return nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)

        x = activate(Dense(start * start * channels, **options)(latents).reshape(-1, start, start, channels))
        for stage in range(1, count):
            x = activate(ConvTranspose(channels >> stage, **options)(x))

        def shown(name):
            last = ConvTranspose(self.image_shape[-1], kernel_init=NORMAL, dtype=self.dtype, name=name)
            return jnp.tanh(last(x).astype(jnp.float32))

        return shown("first"), shown("second")


class CoupledDiscriminator(nn.Module):
    """DCGAN's discriminator without normalisation. Only its first layer exists twice, as in the paper."""

    width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, first: jax.Array, second: jax.Array, train: bool = False) -> jax.Array:
        start, count = doublings(first.shape[1:])
        own = {"first": first, "second": second}
        seen = [Halvings(self.width, 1, dtype=self.dtype, name=name)(x, train) for name, x in own.items()]
        # One pass of both kinds of images through the shared layers.
        x = Halvings(self.width, count, 1, dtype=self.dtype, name="shared")(jnp.concatenate(seen), train)
        logits = Conv(1, kernel_size=start, padding="VALID", kernel_init=NORMAL, dtype=self.dtype, name="logit")(x)
        return logits.astype(jnp.float32).reshape(2, -1).T
