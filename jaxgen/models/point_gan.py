"""GANs of dense layers for vectors: points in the plane, on the line, rows of any length. Linear at the end."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN
from jaxgen.ops.layers import Dense
from jaxgen.settings.lookup import unknown
from jaxgen.settings.number_ranges import AT_LEAST_ONE, POSITIVE, require

VECTORS = True
# Twice the variance of Glorot's before a ReLU (He et al. 2015), as in the code of Gulrajani et al. 2017.
_HE = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")
_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")
_LATENTS = ("normal", "uniform")


def build(config, image_shape: tuple[int, ...], num_classes: int, dtype) -> GAN:
    """A GAN for vectors [D]. Labels are ignored.

    Config keys: latent_dim, latents (normal | uniform), width and hidden_layers (of both networks),
    discriminator_width (0: the same), spectral_norm (discriminator), data_scale.

    Raises:
      UserError: images, or a number that cannot be.
    """
    del num_classes
    if len(image_shape) != 1:
        raise UserError(
            f"config.model.name='point_gan' makes vectors, but these data are images of {list(image_shape)}. "
            "Use data.name=gaussian_ring or similar data, or model.name=mlp_gan"
        )
    require(config, "config.model", AT_LEAST_ONE, "hidden_layers")
    require(config, "config.model", POSITIVE, "data_scale")
    if config.latents not in _LATENTS:
        raise UserError(unknown("config.model.latents", config.latents, list(_LATENTS)))
    width, layers = config.discriminator_width or config.width, config.hidden_layers
    return GAN(
        PointGenerator(config.width, layers, image_shape[0], config.latents == "uniform", dtype),
        PointDiscriminator(width, layers, config.data_scale, config.spectral_norm, dtype),
        config.latent_dim,
    )


class PointGenerator(nn.Module):
    """Hidden layers of `width` units with ReLU, then a linear layer: latents [B, Z] -> points [B, dimensions].

    For `uniform` latents, the normal distribution function first maps them to (-sqrt(3), sqrt(3)). They then have unit
    variance too.
    """

    width: int
    hidden_layers: int
    dimensions: int
    uniform: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels, train
        x = latents
        if self.uniform:
            x = math.sqrt(3) * (2 * jax.scipy.special.ndtr(x) - 1)
        for _ in range(self.hidden_layers):
            x = nn.relu(Dense(self.width, kernel_init=_HE, dtype=self.dtype)(x))
        return Dense(self.dimensions, kernel_init=_GLOROT, dtype=self.dtype)(x).astype(jnp.float32)


class PointDiscriminator(nn.Module):
    """Points [B, D], divided by `data_scale`, through layers of `width` units with LeakyReLU 0.1, then a linear one."""

    width: int
    hidden_layers: int
    data_scale: float = 1.0
    spectral_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, points: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels, train
        options = {"dtype": self.dtype, "spectral_norm": self.spectral_norm}
        x = points / self.data_scale
        for _ in range(self.hidden_layers):
            x = nn.leaky_relu(Dense(self.width, kernel_init=_HE, **options)(x), 0.1)
        return Dense(1, kernel_init=_GLOROT, **options)(x).astype(jnp.float32)[:, 0]
