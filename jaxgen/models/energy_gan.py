"""GANs whose discriminator is an autoencoder: dense (Zhao et al. 2017) or convolutional (Berthelot et al. 2017)."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import doublings, uniform_latents
from jaxgen.ops.layers import BatchNorm, Conv, Dense, UpsampleConv
from jaxgen.settings.lookup import unknown
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

_HE = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")
_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")
_LATENTS = ("normal", "uniform")


class EnergyGAN(NamedTuple):
    """Networks of a GAN whose discriminator is an autoencoder.

    generator: `(latents [B, latent_dim], labels [B] or None, train) -> images [B, H, W, C]`.
    autoencoder: `(images [B, H, W, C], train) -> (images [B, H, W, C], code [B, K])`, float32.
    """

    generator: nn.Module
    autoencoder: nn.Module
    latent_dim: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> EnergyGAN:
    """Networks of `config.architecture` ("dense" | "conv") for images [H, W, C]. Labels are ignored.

    Config keys: latent_dim, latents (normal | uniform), width, discriminator_width (0: the same), code_dim (the size of
    the autoencoder's code). For dense only: hidden_layers and batch_norm of the generator.

    Raises:
      UserError: a number or a name that cannot be, or an image size that it cannot make.
    """
    del num_classes
    require(config, "config.model", AT_LEAST_ONE, "code_dim")
    if config.latents not in _LATENTS:
        raise UserError(unknown("config.model.latents", config.latents, list(_LATENTS)))
    widths = config.width, config.discriminator_width or config.width
    options = {"image_shape": image_shape, "dtype": dtype}
    if config.architecture == "dense":
        require(config, "config.model", AT_LEAST_ONE, "hidden_layers")
        decoder = DenseDecoder(config.hidden_layers, widths[0], config.batch_norm, **options)
        autoencoder = DenseAutoencoder(widths[1], config.code_dim, **options)
    elif config.architecture == "conv":
        doublings(image_shape)
        decoder = ConvDecoder(widths[0], **options)
        autoencoder = ConvAutoencoder(widths[1], config.code_dim, **options)
    else:
        raise UserError(unknown("config.model.architecture", config.architecture, ["conv", "dense"]))
    return EnergyGAN(Generator(decoder, config.latents == "uniform"), autoencoder, config.latent_dim)


class Generator(nn.Module):
    """A decoder of latents. Uniform latents come from the normal distribution function, with variance 1."""

    decoder: nn.Module
    uniform: bool = False

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        if self.uniform:
            latents = uniform_latents(latents)
        return self.decoder(latents, train)


class DenseDecoder(nn.Module):
    """`layers` layers of `width` units with ReLU, and batch normalisation if wanted, then tanh."""

    layers: int
    width: int
    batch_norm: bool
    image_shape: tuple[int, int, int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for _ in range(self.layers):
            x = Dense(self.width, kernel_init=_HE, dtype=self.dtype)(x)
            x = nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)
        x = Dense(math.prod(self.image_shape), kernel_init=_GLOROT, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32)).reshape(-1, *self.image_shape)


class DenseAutoencoder(nn.Module):
    """A layer of `width` units with ReLU, the code, and the decoder of the same sizes."""

    width: int
    code_dim: int
    image_shape: tuple[int, int, int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        x = nn.relu(Dense(self.width, kernel_init=_HE, dtype=self.dtype)(images.reshape(images.shape[0], -1)))
        code = Dense(self.code_dim, kernel_init=_GLOROT, dtype=self.dtype)(x)
        decoder = DenseDecoder(1, self.width, False, self.image_shape, self.dtype)
        return decoder(code, train), code.astype(jnp.float32)


class ConvDecoder(nn.Module):
    """Projection to 4x4 to 7x7, then pairs of 3x3 convolutions of `width` channels with ELU, doubled in between.

    Berthelot et al. 2017, figure 1. Nothing limits the pixels. The image of a sample is clipped.
    """

    width: int
    image_shape: tuple[int, int, int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        del train
        start, count = doublings(self.image_shape)
        options = {"kernel_init": _GLOROT, "dtype": self.dtype}
        x = Dense(start * start * self.width, **options)(x).reshape(-1, start, start, self.width)
        for stage in range(count + 1):
            x = nn.elu((UpsampleConv if stage else Conv)(self.width, **options)(x))
            x = nn.elu(Conv(self.width, **options)(x))
        return Conv(self.image_shape[-1], **options)(x).astype(jnp.float32)


class ConvAutoencoder(nn.Module):
    """Pairs of 3x3 convolutions with ELU whose channels grow by `width` at each halving, the code, and a `ConvDecoder`.

    The second convolution of a pair has the stride 2 and the channels of the next resolution. No layer is normalised.
    """

    width: int
    code_dim: int
    image_shape: tuple[int, int, int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        _, count = doublings(self.image_shape)
        options = {"kernel_init": _GLOROT, "dtype": self.dtype}
        x = nn.elu(Conv(self.width, **options)(images))
        for stage in range(1, count + 1):
            x = nn.elu(Conv(stage * self.width, **options)(x))
            x = nn.elu(Conv((stage + 1) * self.width, stride=2, padding=1, **options)(x))
        for _ in range(2):
            x = nn.elu(Conv((count + 1) * self.width, **options)(x))
        code = Dense(self.code_dim, **options)(x.reshape(x.shape[0], -1))
        decoder = ConvDecoder(self.width, self.image_shape, self.dtype)
        return decoder(code, train), code.astype(jnp.float32)
