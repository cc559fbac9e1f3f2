"""The networks of ClusterGAN (Mukherjee et al. 2019) in the form of the authors' code for MNIST."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.image_parts import NORMAL, Halvings, Head
from jaxgen.ops.layers import BatchNorm, ConvTranspose, Dense
from jaxgen.settings.number_ranges import Range, require


class ClusterGAN(NamedTuple):
    """Networks of a GAN whose latents hold a one-hot cluster, with an encoder.

    generator: `(latents [B, latent_dim + num_clusters], train=...) -> images [B, H, W, C]` in [-1, 1].
    encoder: `(images, train=...) -> [B, latent_dim + num_clusters]`: continuous latents, then logits of the clusters.
    discriminator: `(images, train=...) -> logits [B]`, each from its own image alone.
    """

    generator: nn.Module
    encoder: nn.Module
    discriminator: nn.Module
    latent_dim: int
    num_clusters: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> ClusterGAN:
    """The networks for images [H, W, C] with sides that 4 divides.

    Config keys: latent_dim (continuous latents), num_clusters, width (channels at half the size), batch_norm
    (generator).

    Raises:
      UserError: an image size that it cannot make, or fewer than 2 clusters.
    """
    del num_classes
    require(config, "config.model", Range(2), "num_clusters")
    height, width, _ = image_shape
    if height % 4 or width % 4:
        raise UserError(
            f"data.image_size: {height}x{width} is a size that model cluster_gan cannot make. 4 must divide the sides. "
            "Set data.image_size"
        )
    numbers = config.latent_dim + config.num_clusters
    return ClusterGAN(
        Generator(image_shape, config.width, config.batch_norm, dtype),
        Viewer(numbers, config.width, dtype),
        Critic(config.width, dtype),
        config.latent_dim,
        config.num_clusters,
    )


class Generator(nn.Module):
    """Dense layers of 16 * width units and to a quarter of the size, then two 4x4 transposed convolutions, tanh.

    All layers but the last have batch normalisation and ReLU.
    """

    image_shape: tuple[int, int, int]
    width: int = 64
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> jax.Array:
        options = {"use_bias": not self.batch_norm, "kernel_init": NORMAL, "dtype": self.dtype}
        height, width, channels = self.image_shape

        def activate(x):
            return nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)

        x = activate(Dense(16 * self.width, **options)(latents))
        small = height // 4, width // 4, 2 * self.width
        # Normalisation is of channels, so that the bias of each place has an effect.
        x = Dense(math.prod(small), kernel_init=NORMAL, dtype=self.dtype)(x)
        x = activate(ConvTranspose(self.width, **options)(activate(x.reshape(-1, *small))))
        x = ConvTranspose(channels, kernel_init=NORMAL, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))


class Viewer(nn.Module):
    """Two 4x4 stride-2 convolutions, a dense layer of 16 * width units, `outputs` numbers. No normalisation."""

    outputs: int
    width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        x = Halvings(self.width, 2, dtype=self.dtype)(images, train)
        return Head(self.outputs, (16 * self.width,), self.dtype)(x)


class Critic(nn.Module):
    """`Viewer` with one number for each image: [B]."""

    width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        return Viewer(1, self.width, self.dtype)(images, train)[:, 0]
