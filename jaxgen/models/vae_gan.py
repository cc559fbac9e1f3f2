"""The networks of VAE-GAN (Larsen et al. 2016): encoder, generator, and a discriminator that shows its features."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.base import doublings
from jaxgen.models.bigan import ConvEncoder
from jaxgen.models.dcgan import RadfordGenerator
from jaxgen.models.image_parts import Halvings, Head


class VAEGAN(NamedTuple):
    """Networks of a VAE whose reconstruction error is that of a discriminator's features.

    encoder: `(images [B, H, W, C], train=...) -> (mean, log_variance)`, each [B, latent_dim], float32.
    generator: `(latents [B, latent_dim], train=...) -> images` in [-1, 1]: the decoder.
    discriminator: `(images, train=...) -> (logits [B], features [B, ...])`, float32.
    """

    encoder: nn.Module
    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> VAEGAN:
    """DCGAN's convolutions in all three networks, for images [H, W, C]. Config keys: latent_dim, width, batch_norm.

    Raises:
      UserError: an image size that it cannot make.
    """
    del num_classes
    doublings(image_shape)
    options = {"width": config.width, "batch_norm": config.batch_norm, "dtype": dtype}
    return VAEGAN(
        ConvEncoder(latent_dim=config.latent_dim, **options),
        RadfordGenerator(image_shape=image_shape, **options),
        FeatureDiscriminator(**options),
        config.latent_dim,
    )


class FeatureDiscriminator(nn.Module):
    """DCGAN's convolutions, then a dense layer of 8 * width units. The features are the last convolution's output.

    They are taken after normalisation and LeakyReLU.
    """

    width: int = 64
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        end = doublings(images.shape[1:])[1]
        features = Halvings(self.width, end, 0, self.batch_norm, self.dtype)(images, train)
        logits = Head(1, (8 * self.width,), self.dtype)(features)[:, 0]
        return logits, features.astype(jnp.float32)
