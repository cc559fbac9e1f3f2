"""VAE of residual blocks: the networks of van den Oord et al. 2017 (section 4.1), with dense layers to the latents."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import VAE, posterior
from jaxgen.ops.layers import BatchNorm, Conv, ConvTranspose
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require


def build(
    config, image_shape: tuple[int, int, int], num_classes: int, dtype, *, output_channels: int | None = None
) -> VAE:
    """A VAE for images [H, W, C] of any sides that `config.downsamplings` halvings divide.

    Config keys: latent_dim, width (channels of every hidden layer), residual_blocks, downsamplings, batch_norm. The
    decoder gives `output_channels` channels where the likelihood wants another number than C.

    Raises:
      UserError: an image size that it cannot make.
    """
    start = code_shape(config, image_shape)
    down, up = trunks(config, output_channels or image_shape[-1], dtype)
    return VAE(Encoder(config.latent_dim, down), Decoder(start, up), config.latent_dim)


def trunks(config, output_channels: int, dtype) -> tuple["Down", "Up"]:
    """The config's `Down` and `Up`, for modules that own them."""
    names = ("width", "residual_blocks", "downsamplings", "batch_norm")
    # parent=None: the module that holds them adopts them; they may be made inside another one.
    options = {**{name: config[name] for name in names}, "dtype": dtype, "parent": None}
    return Down(**options), Up(output_channels=output_channels, **options)


def code_shape(config, image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the features behind the stride-2 convolutions.

    Raises:
      UserError: they are no whole numbers, or the config's numbers make no network.
    """
    height, width, _ = image_shape
    require(config, "config.model", AT_LEAST_ONE, "downsamplings")
    require(config, "config.model", NOT_NEGATIVE, "residual_blocks")
    factor = 2**config.downsamplings
    if height % factor or width % factor:
        near = max(1, round(height / factor)) * factor
        raise UserError(
            f"data.image_size: {height}x{width} is a size that this model cannot make. Its "
            f"{config.downsamplings} halvings (config.model.downsamplings) need sides divisible by {factor}, "
            f"such as {near}"
        )
    return height // factor, width // factor


class _Trunk(nn.Module):
    width: int = 64
    residual_blocks: int = 2
    downsamplings: int = 2
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    def activation(self, x: jax.Array, train: bool) -> jax.Array:
        """ReLU, after batch normalisation if the network has it."""
        return nn.relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x)

    def blocks(self, x: jax.Array, train: bool) -> jax.Array:
        """x + [ReLU, 3x3, ReLU, 1x1](x), `residual_blocks` times, and a ReLU."""
        for _ in range(self.residual_blocks):
            y = Conv(self.width, dtype=self.dtype)(self.activation(x, train))
            x = x + Conv(self.width, kernel_size=1, dtype=self.dtype)(self.activation(y, train))
        return self.activation(x, train)


class Down(_Trunk):
    """Stride-2 4x4 convolutions, a 3x3 one and residual blocks: images [B, H, W, C] -> [B, h, w, width]."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        x = images
        for _ in range(self.downsamplings):
            x = Conv(self.width, kernel_size=4, stride=2, padding=1, dtype=self.dtype)(x)
            x = self.activation(x, train)
        return self.blocks(Conv(self.width, dtype=self.dtype)(x), train)


class Up(_Trunk):
    """The way back: [B, h, w, any] -> [B, H, W, output_channels], float32, unbounded."""

    output_channels: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = self.blocks(Conv(self.width, dtype=self.dtype)(x), train)
        for _ in range(self.downsamplings - 1):
            x = self.activation(ConvTranspose(self.width, dtype=self.dtype)(x), train)
        return ConvTranspose(self.output_channels, dtype=self.dtype)(x).astype(jnp.float32)


class Encoder(nn.Module):
    """`Down` and a dense layer to the posterior's mean and log-variance. trunk: the fields of `Down`."""

    latent_dim: int
    trunk: Down

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        x = self.trunk(images, train)
        return posterior(nn.Dense(2 * self.latent_dim, dtype=self.trunk.dtype)(x.reshape(x.shape[0], -1)))


class Decoder(nn.Module):
    """A dense layer to features [h, w, trunk.width] and `Up`."""

    start: tuple[int, int]
    trunk: Up

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> jax.Array:
        shape = (*self.start, self.trunk.width)
        x = nn.Dense(math.prod(shape), dtype=self.trunk.dtype)(latents)
        return self.trunk(x.reshape(-1, *shape), train)
