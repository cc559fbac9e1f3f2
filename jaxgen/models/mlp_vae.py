"""The variational autoencoder of dense layers on which likelihoods are compared (Burda et al. 2016, section 5)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.base import VAE, classes_of, posterior, with_class
from jaxgen.ops.layers import Dense

_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")


def build(
    config, image_shape: tuple[int, int, int], num_classes: int, dtype, *, output_channels: int | None = None
) -> VAE:
    """A VAE for images [H, W, C] of any size.

    Config keys: latent_dim (50 in the paper), width (200 units), conditional. The decoder gives `output_channels`
    channels if the likelihood needs another number than C. With `conditional` both networks get the class one-hot
    beside their input (CVAE, Sohn et al. 2015).

    Raises:
      UserError: `conditional` for data without classes.
    """
    classes = classes_of(config, num_classes)
    options = {"width": config.width, "num_classes": classes, "dtype": dtype}
    output_shape = (*image_shape[:-1], output_channels or image_shape[-1])
    networks = Encoder(config.latent_dim, **options), Decoder(output_shape, **options)
    return VAE(*networks, config.latent_dim, conditional=bool(classes))


class Encoder(nn.Module):
    """Two tanh layers of `width` units, then the posterior's mean and log-variance."""

    latent_dim: int
    width: int = 200
    dtype: jnp.dtype = jnp.float32
    num_classes: int = 0

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        del train
        x = with_class(images.reshape(images.shape[0], -1), labels, self.num_classes)
        x = _hidden(x, self.width, self.dtype)
        return posterior(Dense(2 * self.latent_dim, kernel_init=_GLOROT, dtype=self.dtype)(x))


class Decoder(nn.Module):
    """Two tanh layers of `width` units and a linear one. Output unbounded."""

    output_shape: tuple[int, int, int]
    width: int = 200
    dtype: jnp.dtype = jnp.float32
    num_classes: int = 0

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        x = _hidden(with_class(latents, labels, self.num_classes), self.width, self.dtype)
        x = Dense(math.prod(self.output_shape), kernel_init=_GLOROT, dtype=self.dtype)(x)
        return x.astype(jnp.float32).reshape(-1, *self.output_shape)


def _hidden(x: jax.Array, width: int, dtype: jnp.dtype) -> jax.Array:
    for _ in range(2):
        x = jnp.tanh(Dense(width, kernel_init=_GLOROT, dtype=dtype)(x))
    return x
