"""The networks of BiGAN (Donahue et al. 2017): generator, encoder, and a discriminator of pairs of image and latent."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import doublings, posterior
from jaxgen.models.dcgan import RadfordGenerator
from jaxgen.models.image_parts import NORMAL, SLOPE, Halvings, Head
from jaxgen.ops.layers import BatchNorm, Dense
from jaxgen.settings.lookup import unknown


class BiGAN(NamedTuple):
    """Networks of a GAN with an encoder.

    generator: `(latents [B, latent_dim], train=...) -> images [B, H, W, C]` in [-1, 1].
    encoder: `(images, train=...) -> (mean, log_variance)`, each [B, latent_dim], float32.
    discriminator: `(images, latents, train=...) -> logits [B]`, float32, high where the image is real and the latent is
      the encoder's. It sees latents as they are. Bounded latents would have no slope where codes have left the prior.
    """

    generator: nn.Module
    encoder: nn.Module
    discriminator: nn.Module
    latent_dim: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> BiGAN:
    """The networks for images [H, W, C].

    Config keys: architecture ("mlp" | "radford"), latent_dim, width, batch_norm. The MLPs have two hidden layers of
    `width` units, as in the authors' code for MNIST (1,024 units). The other form has DCGAN's convolutions.

    Raises:
      UserError: unknown architecture, or an image size that it cannot make.
    """
    del num_classes
    options = {"width": config.width, "batch_norm": config.batch_norm, "dtype": dtype}
    if config.architecture == "mlp":
        networks = (
            DenseGenerator(image_shape=image_shape, **options),
            DenseEncoder(latent_dim=config.latent_dim, **options),
            DensePairs(**options),
        )
    elif config.architecture == "radford":
        doublings(image_shape)
        networks = (
            RadfordGenerator(image_shape=image_shape, **options),
            ConvEncoder(latent_dim=config.latent_dim, **options),
            ConvPairs(**options),
        )
    else:
        raise UserError(unknown("config.model.architecture", config.architecture, ["mlp", "radford"]))
    return BiGAN(*networks, config.latent_dim)


class _Network(nn.Module):
    width: int = 1024
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    def dense(self, units: int, use_bias: bool = True) -> Dense:
        """A dense layer with weights from N(0, 0.02)."""
        return Dense(units, use_bias=use_bias, kernel_init=NORMAL, dtype=self.dtype)

    def norm(self, x: jax.Array, train: bool) -> jax.Array:
        """Batch normalisation, if the network has it."""
        return BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x


class DenseGenerator(_Network):
    """Two layers with batch normalisation and ReLU, then tanh."""

    image_shape: tuple[int, int, int] = (28, 28, 1)

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        x = latents
        for _ in range(2):
            x = nn.relu(self.norm(self.dense(self.width, not self.batch_norm)(x), train))
        x = self.dense(math.prod(self.image_shape))(x).astype(jnp.float32)
        return jnp.tanh(x).reshape(-1, *self.image_shape)


class DenseEncoder(_Network):
    """Two layers with LeakyReLU 0.2, the second with batch normalisation, then the mean and log-variance."""

    latent_dim: int = 50

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        x = nn.leaky_relu(self.dense(self.width)(images.reshape(images.shape[0], -1)), SLOPE)
        x = nn.leaky_relu(self.norm(self.dense(self.width, not self.batch_norm)(x), train), SLOPE)
        return posterior(self.dense(2 * self.latent_dim)(x))


class DensePairs(_Network):
    """Two layers with LeakyReLU 0.2. The latents join the second one.

    There is no batch normalisation, which would hide from the encoder how far its codes are from the prior. With it the
    discriminator is right every time on MNIST, and the generator draws noise.
    """

    @nn.compact
    def __call__(self, images: jax.Array, latents: jax.Array, train: bool = False) -> jax.Array:
        del train
        x = nn.leaky_relu(self.dense(self.width)(images.reshape(images.shape[0], -1)), SLOPE)
        x = self.dense(self.width)(x) + self.dense(self.width, use_bias=False)(latents)
        return self.dense(1)(nn.leaky_relu(x, SLOPE)).astype(jnp.float32)[:, 0]


class ConvEncoder(_Network):
    """DCGAN's discriminator up to its last layer, then the mean and log-variance."""

    latent_dim: int = 100

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        x = Halvings(self.width, doublings(images.shape[1:])[1], 0, self.batch_norm, self.dtype)(images, train)
        return posterior(Head(2 * self.latent_dim, (), self.dtype)(x))


class ConvPairs(_Network):
    """DCGAN's discriminator up to its last layer, beside a dense layer over latents, then 16 * width units for both."""

    @nn.compact
    def __call__(self, images: jax.Array, latents: jax.Array, train: bool = False) -> jax.Array:
        x = Halvings(self.width, doublings(images.shape[1:])[1], 0, self.batch_norm, self.dtype)(images, train)
        z = nn.leaky_relu(self.dense(16 * self.width)(latents), SLOPE)
        joined = jnp.concatenate([x.reshape(x.shape[0], -1), z], axis=1)
        return Head(1, (16 * self.width,), self.dtype)(joined)[:, 0]
