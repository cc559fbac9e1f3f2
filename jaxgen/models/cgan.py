"""Conditional GANs that concatenate the class with their inputs (Mirza and Osindero 2014): dense or convolutional."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN, doublings
from jaxgen.models.dcgan import RadfordDiscriminator, RadfordGenerator
from jaxgen.models.mlp_gan import WideningGenerator
from jaxgen.ops.layers import ChannelDropout, Dense
from jaxgen.settings.lookup import unknown

# torch's default for Linear: U(+-1/sqrt(fan_in)).
_TORCH_LINEAR = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> GAN:
    """A GAN of `config.architecture` ("pytorch_gan" | "radford") for images [H, W, C] of `num_classes` classes.

    Config keys: latent_dim, width and batch_norm (see the networks), dropout (pytorch_gan's discriminator),
    output_bias and discriminator_width (radford, as in `dcgan`).

    Raises:
      UserError: no classes, an unknown architecture, or an image size that it cannot make.
    """
    if not num_classes:
        raise UserError("config.model.name='cgan' needs data with class labels, but these data have none")
    options = {"batch_norm": config.batch_norm, "dtype": dtype}
    if config.architecture == "pytorch_gan":
        generator = WideningGenerator(config.width, image_shape, **options)
        discriminator = ConcatenatingDiscriminator(config.width, num_classes, config.dropout, dtype)
    elif config.architecture == "radford":
        doublings(image_shape)
        widths = config.width, config.discriminator_width or config.width
        bias = config.output_bias
        generator = RadfordGenerator(width=widths[0], image_shape=image_shape, output_bias=bias, **options)
        discriminator = LabelMaps(RadfordDiscriminator(width=widths[1], **options), num_classes)
    else:
        raise UserError(unknown("config.model.architecture", config.architecture, ["pytorch_gan", "radford"]))
    return GAN(LabelledGenerator(generator, num_classes), discriminator, config.latent_dim)


class LabelledGenerator(nn.Module):
    """A generator whose latents are followed by the one-hot class."""

    network: nn.Module
    num_classes: int

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        return self.network(jnp.concatenate([latents, jax.nn.one_hot(labels, self.num_classes)], axis=-1), None, train)


class LabelMaps(nn.Module):
    """A convolutional discriminator whose images are followed by one constant channel for each class."""

    network: nn.Module
    num_classes: int

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        maps = jax.nn.one_hot(labels, self.num_classes)[:, None, None, :]
        maps = jnp.broadcast_to(maps, (*images.shape[:3], self.num_classes))
        return self.network(jnp.concatenate([images, maps], axis=-1), None, train)


class ConcatenatingDiscriminator(nn.Module):
    """Three layers of 8 * width (512) units on pixels and one-hot class, LeakyReLU 0.2, dropout on the last two.

    The sizes are PyTorch-GAN's. PyTorch-GAN learns an embedding of the class first. Before a linear layer, an embedding
    of as many numbers as classes adds nothing to the one-hot class.
    """

    width: int
    num_classes: int
    dropout: float = 0.4
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array, train: bool = False) -> jax.Array:
        options = {"kernel_init": _TORCH_LINEAR, "dtype": self.dtype}
        x = jnp.concatenate([images.reshape(images.shape[0], -1), jax.nn.one_hot(labels, self.num_classes)], axis=-1)
        x = nn.leaky_relu(Dense(8 * self.width, **options)(x), 0.2)
        for _ in range(2):
            x = ChannelDropout(self.dropout)(Dense(8 * self.width, **options)(x), train)
            x = nn.leaky_relu(x, 0.2)
        return Dense(1, **options)(x).astype(jnp.float32)[:, 0]
