"""DCGAN: the architecture of Radford et al. (2016) and the upsampling one of PyTorch-GAN."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN, doublings
from jaxgen.ops.layers import BatchNorm, ChannelDropout, Conv, ConvTranspose, UpsampleConv
from jaxgen.settings.lookup import unknown

_NORMAL = nn.initializers.normal(0.02)
# torch's default for Linear, which PyTorch-GAN leaves as it is: U(+-1/sqrt(fan_in)).
_TORCH_LINEAR = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> GAN:
    """A GAN of `config.architecture` for images [H, W, C]. The networks accept labels and ignore them.

    Config keys: architecture ("radford" | "pytorch_gan"), latent_dim, width (channels of the generator's last hidden
    layer), dropout (pytorch_gan only), batch_norm (False removes it from both networks). For radford only: output_bias
    gives the generator's last layer a bias beside BatchNorm too, spectral_norm replaces the discriminator's BatchNorm,
    discriminator_width is the discriminator's width (0: `width`).

    Raises:
      UserError: unknown architecture, or an image size that it cannot make.
    """
    options = {"width": config.width, "batch_norm": config.batch_norm, "dtype": dtype}
    if config.architecture == "radford":
        doublings(image_shape)
        generator = RadfordGenerator(image_shape=image_shape, output_bias=config.output_bias, **options)
        options["width"] = config.discriminator_width or config.width
        options["batch_norm"] &= not config.spectral_norm
        networks = generator, RadfordDiscriminator(spectral_norm=config.spectral_norm, **options)
    elif config.architecture == "pytorch_gan":
        check_quarters(image_shape, config.batch_norm)
        networks = (
            UpsamplingGenerator(image_shape=image_shape, **options),
            DropoutDiscriminator(dropout=config.dropout, **options),
        )
    else:
        raise UserError(unknown("model.architecture", config.architecture, ["pytorch_gan", "radford"]))
    return GAN(*networks, config.latent_dim)


def check_quarters(image_shape, batch_norm: bool) -> None:
    """Refuses images [H, W, C] that the networks of PyTorch-GAN cannot make or cannot learn.

    Raises:
      UserError: the side is not divisible by 4, or too small.
    """
    height, width, _ = image_shape
    if height != width or height % 4 or height < 8:
        raise UserError(
            f"data.image_size: {height}x{width} is a size that model dcgan (pytorch_gan) cannot make. "
            "Images must be square, with a side divisible by 4, from 8 on, such as 28, 32 or 64. Set data.image_size"
        )
    # The discriminator ends in BatchNorm and a linear layer. On a single pixel BatchNorm gives every batch the same
    # mean, so real and fake batches get the same mean logit whatever they show, and nothing is learnt.
    if batch_norm and height <= 16:
        raise UserError(
            f"data.image_size: model dcgan (pytorch_gan) with batch_norm cannot learn images of {height}x{width}, "
            "which its discriminator reduces to one pixel: use 20 or more, batch_norm=False, or architecture=radford"
        )


class _Network(nn.Module):
    """What the four networks share."""

    width: int = 64
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    def norm(self, x: jax.Array, train: bool) -> jax.Array:
        """Batch normalisation with scale ~ N(1, 0.02), if the network has it."""
        if not self.batch_norm:
            return x
        return BatchNorm(scale_init=_near_one, dtype=self.dtype)(x, train)


def _near_one(key, shape, dtype=jnp.float32):
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


class RadfordGenerator(_Network):
    """Projection to 4x4 (to 7x7 for 28), then 4x4 stride-2 transposed convolutions that halve the channels, then tanh.

    A bias before batch normalisation has no effect. With `batch_norm` no layer has a bias, as in the paper's code. The
    parameter count is that of the DCGAN in the PyTorch examples. `output_bias` adds a bias to the last convolution,
    which has no batch normalisation after it. The background of images can then be black.
    """

    image_shape: tuple[int, int, int] = (32, 32, 3)
    output_bias: bool = False

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        start, count = doublings(self.image_shape)
        channels = self.width * 2 ** (count - 1)
        options = {"use_bias": not self.batch_norm, "kernel_init": _NORMAL, "dtype": self.dtype}
        x = self.projection(latents, (start, start, channels), options, train)
        for stage in range(1, count):
            x = ConvTranspose(channels >> stage, **options)(x)
            x = nn.relu(self.norm(x, train))
        options["use_bias"] |= self.output_bias
        x = ConvTranspose(self.image_shape[-1], **options)(x)
        return jnp.tanh(x.astype(jnp.float32))

    def projection(self, latents: jax.Array, shape: tuple[int, int, int], options, train: bool) -> jax.Array:
        """The first feature maps [B, h, w, C] of that shape. Only for use inside a compact `__call__`."""
        x = nn.Dense(math.prod(shape), **options)(latents).reshape(-1, *shape)
        return nn.relu(self.norm(x, train))


class RadfordDiscriminator(_Network):
    """4x4 stride-2 convolutions that double the channels, LeakyReLU 0.2, batch normalisation except on the first.

    `spectral_norm` (Miyato et al. 2018) is not the paper's. It bounds each layer's slope. `negative_slope` is that of
    LeakyReLU.
    """

    spectral_norm: bool = False
    negative_slope: float = 0.2

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        x = self.features(images, train)
        logits = Conv(1, kernel_size=x.shape[1], padding="VALID", **self._options())(x)
        return logits.astype(jnp.float32).reshape(-1)

    def features(self, images: jax.Array, train: bool) -> jax.Array:
        """The last feature maps [N, h, w, C]. Only for use inside a compact `__call__`."""
        x = images
        for stage in range(doublings(images.shape[1:])[1]):
            x = Conv(self.width << stage, kernel_size=4, stride=2, padding=1, **self._options())(x)
            x = nn.leaky_relu(self.norm(x, train) if stage else x, self.negative_slope)
        return x

    def _options(self) -> dict[str, Any]:
        options = {"use_bias": not self.batch_norm, "kernel_init": _NORMAL, "dtype": self.dtype}
        return options | {"spectral_norm": self.spectral_norm}


class UpsamplingGenerator(_Network):
    """PyTorch-GAN's generator: linear to a quarter of the size, twice [nearest 2x, 3x3, BN, LeakyReLU 0.2], 3x3, tanh.

    PyTorch-GAN writes `BatchNorm2d(C, 0.8)`, which sets eps to 0.8 instead of the momentum. Here both have the
    usual values (momentum 0.9 in Flax's sense, eps 1e-5). Biases start at zero.
    """

    image_shape: tuple[int, int, int] = (32, 32, 3)

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        start, channels = self.image_shape[0] // 4, 2 * self.width
        options = {"kernel_init": _NORMAL, "dtype": self.dtype}
        x = nn.Dense(start * start * channels, kernel_init=_TORCH_LINEAR, dtype=self.dtype)(latents)
        x = self.norm(x.reshape(-1, start, start, channels), train)
        for features in (channels, self.width):
            x = UpsampleConv(features, **options)(x)
            x = nn.leaky_relu(self.norm(x, train), 0.2)
        x = Conv(self.image_shape[-1], **options)(x)
        return jnp.tanh(x.astype(jnp.float32))


class DropoutDiscriminator(_Network):
    """PyTorch-GAN's discriminator: four 3x3 stride-2 convolutions of width/4 * (1, 2, 4, 8) channels, then linear.

    Each is followed by LeakyReLU 0.2, dropout of whole channels and, except the first, batch normalisation. It gives
    logits. The sigmoid belongs to the loss.
    """

    dropout: float = 0.25

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        x = self.features(images, train)
        logits = nn.Dense(1, kernel_init=_TORCH_LINEAR, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        return logits.astype(jnp.float32).reshape(-1)

    def features(self, images: jax.Array, train: bool) -> jax.Array:
        """The last feature maps [N, h, w, C]. Only for use inside a compact `__call__`."""
        x = images
        for stage in range(4):
            channels = max(1, self.width // 4) << stage
            x = Conv(channels, stride=2, padding=1, kernel_init=_NORMAL, dtype=self.dtype)(x)
            x = ChannelDropout(self.dropout)(nn.leaky_relu(x, 0.2), train)
            x = self.norm(x, train) if stage else x
        return x
