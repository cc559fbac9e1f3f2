"""GANs of dense layers: the first one (Goodfellow et al. 2014) and that of PyTorch-GAN, for images of any size."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN
from jaxgen.ops.layers import BatchNorm, ChannelDropout, Dense
from jaxgen.settings.lookup import unknown

# torch's default for Linear: U(+-1/sqrt(fan_in)).
_TORCH_LINEAR = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
_PIECES = 5


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> GAN:
    """A GAN of `config.architecture` ("goodfellow" | "pytorch_gan") for images [H, W, C]. Labels are ignored.

    Config keys: latent_dim, width (see the networks), batch_norm (pytorch_gan's generator), dropout (goodfellow's
    discriminator).

    Raises:
      UserError: unknown architecture, or a width that maxout cannot share out.
    """
    del num_classes
    if config.architecture == "goodfellow":
        if config.width % _PIECES:
            raise UserError(
                f"config.model.width={config.width}: maxout has {_PIECES} pieces per unit. Use a multiple of {_PIECES}"
            )
        networks = (
            UniformGenerator(config.width, image_shape, dtype),
            MaxoutDiscriminator(config.width, config.dropout, dtype),
        )
    elif config.architecture == "pytorch_gan":
        networks = (
            WideningGenerator(config.width, image_shape, config.batch_norm, dtype),
            NarrowingDiscriminator(config.width, dtype),
        )
    else:
        raise UserError(unknown("config.model.architecture", config.architecture, ["goodfellow", "pytorch_gan"]))
    return GAN(*networks, config.latent_dim)


def _uniform(bound: float) -> nn.initializers.Initializer:
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class UniformGenerator(nn.Module):
    """Two ReLU layers of `width` (1,200) units, weights from U(+-0.05), and a sigmoid, here scaled to [-1, 1]."""

    width: int
    image_shape: tuple[int, int, int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels, train
        options = {"kernel_init": _uniform(0.05), "dtype": self.dtype}
        # The authors' latents are uniform in (-sqrt(3), sqrt(3)): unit variance, as a normal's distribution function.
        x = math.sqrt(3) * (2 * jax.scipy.special.ndtr(latents) - 1)
        x = nn.relu(Dense(self.width, **options)(x))
        x = nn.relu(Dense(self.width, **options)(x))
        x = Dense(math.prod(self.image_shape), **options)(x).astype(jnp.float32)
        return (2 * jax.nn.sigmoid(x) - 1).reshape(-1, *self.image_shape)


class MaxoutDiscriminator(nn.Module):
    """Two maxout layers (Goodfellow et al. 2013) of width / 5 (240) units, weights from U(+-0.005), with dropout.

    `dropout` applies to the two hidden layers. The pixels have 2/5 of it (the authors' code: 0.5 and 0.2). The authors'
    limit on the norm of the weights is left out.
    """

    width: int
    dropout: float = 0.5
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        options = {"kernel_init": _uniform(0.005), "dtype": self.dtype}
        # The authors' pixels are in [0, 1].
        x = ChannelDropout(0.4 * self.dropout)((images.reshape(images.shape[0], -1) + 1) / 2, train)
        for _ in range(2):
            x = Dense(self.width, **options)(x)
            x = ChannelDropout(self.dropout)(x.reshape(x.shape[0], -1, _PIECES).max(-1), train)
        return Dense(1, **options)(x).astype(jnp.float32)[:, 0]


class WideningGenerator(nn.Module):
    """PyTorch-GAN's: layers of width * (2, 4, 8, 16) units with LeakyReLU 0.2 and BN except on the first, then tanh."""

    width: int
    image_shape: tuple[int, int, int]
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        x, options = latents, {"kernel_init": _TORCH_LINEAR, "dtype": self.dtype}
        for stage in range(1, 5):
            x = Dense(self.width << stage, **options)(x)
            if self.batch_norm and stage > 1:
                x = BatchNorm(dtype=self.dtype)(x, train)
            x = nn.leaky_relu(x, 0.2)
        x = Dense(math.prod(self.image_shape), **options)(x).astype(jnp.float32)
        return jnp.tanh(x).reshape(-1, *self.image_shape)


class NarrowingDiscriminator(nn.Module):
    """PyTorch-GAN's: layers of width * (8, 4) units with LeakyReLU 0.2, then a linear one."""

    width: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels, train
        x, options = images.reshape(images.shape[0], -1), {"kernel_init": _TORCH_LINEAR, "dtype": self.dtype}
        for stage in (3, 2):
            x = nn.leaky_relu(Dense(self.width << stage, **options)(x), 0.2)
        return Dense(1, **options)(x).astype(jnp.float32)[:, 0]
