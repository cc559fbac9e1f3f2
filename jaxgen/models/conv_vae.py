"""Convolutional variational autoencoder (Kingma & Welling, 2014) with a decoder that mirrors the encoder."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.base import VAE, classes_of, doublings, posterior, with_class, with_class_maps
from jaxgen.ops.layers import BatchNorm, Conv, ConvTranspose


def build(
    config, image_shape: tuple[int, int, int], num_classes: int, dtype, *, output_channels: int | None = None
) -> VAE:
    """A VAE for images [H, W, C].

    Config keys: latent_dim, width (channels at half the image size), batch_norm, conditional. The decoder gives
    `output_channels` channels where the likelihood wants another number than C. With `conditional` the encoder sees
    the class as maps beside the image, and the decoder one-hot beside the latents (CVAE, Sohn et al. 2015).

    Raises:
      UserError: an image size that it cannot make, or `conditional` for data without classes.
    """
    doublings(image_shape)
    classes = classes_of(config, num_classes)
    options = {"width": config.width, "batch_norm": config.batch_norm, "num_classes": classes, "dtype": dtype}
    decoder = Decoder(image_shape, output_channels=output_channels, **options)
    return VAE(Encoder(config.latent_dim, **options), decoder, config.latent_dim, conditional=bool(classes))


class Encoder(nn.Module):
    """4x4 stride-2 convolutions with width * (1, 2, 4, ...) channels and ReLU, then a dense layer."""

    latent_dim: int
    width: int = 64
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32
    num_classes: int = 0

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        x = with_class_maps(images, labels, self.num_classes)
        for stage in range(doublings(images.shape[1:])[1]):
            x = Conv(self.width << stage, kernel_size=4, stride=2, padding=1, dtype=self.dtype)(x)
            x = nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)
        return posterior(nn.Dense(2 * self.latent_dim, dtype=self.dtype)(x.reshape(x.shape[0], -1)))


class Decoder(nn.Module):
    """A dense layer and 4x4 stride-2 transposed convolutions that halve the channels, with ReLU. Output unbounded."""

    image_shape: tuple[int, int, int]
    width: int = 64
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32
    output_channels: int | None = None
    num_classes: int = 0

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        start, count = doublings(self.image_shape)
        channels = self.width << (count - 1)
        x = with_class(latents, labels, self.num_classes)
        x = nn.Dense(start * start * channels, dtype=self.dtype)(x).reshape(-1, start, start, channels)
        for stage in range(1, count):
            x = nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)
            x = ConvTranspose(channels >> stage, dtype=self.dtype)(x)
        x = nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)
        return ConvTranspose(self.output_channels or self.image_shape[-1], dtype=self.dtype)(x).astype(jnp.float32)
