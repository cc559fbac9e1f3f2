"""GANs whose discriminator has several outputs on shared features: real or fake, the class, codes of the latents."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.models import dcgan
from jaxgen.models.base import doublings
from jaxgen.models.cgan import LabelledGenerator
from jaxgen.ops.layers import BatchNorm, Dense
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.settings.lookup import unknown
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

HEADS = True
_NORMAL = nn.initializers.normal(0.02)
_HE = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")
_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")
# Units of the layers of `NoisyHeads`, in units of its width.
_FACTORS = (4, 2, 1, 1, 1)
_ARCHITECTURES = ("chen", "dense", "pytorch_gan", "radford")


class HeadedGAN(NamedTuple):
    """Networks of a GAN whose discriminator has several outputs. The module that builds them has `HEADS = True`.

    generator: `(latents [B, Z], labels [B] or None, train) -> images [B, H, W, C]` in [-1, 1].
    discriminator: `(images [B, H, W, C], train) -> (features [B, F], outputs)`, float32, with outputs [B, n] for each
      n of the `heads` that were asked for.
    latent_dim: numbers of noise in the latents. The recipe adds its codes.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int


def build(config, image_shape, num_classes: int, dtype, *, heads: tuple[int, ...], labelled: bool) -> HeadedGAN:
    """A GAN of `config.architecture` ("radford" | "chen" | "pytorch_gan" | "dense") for images [H, W, C].

    Config keys: latent_dim, width, batch_norm, dropout (pytorch_gan), output_bias, spectral_norm and
    discriminator_width (radford and chen), as in `dcgan`. layer_noise (dense). head_width: units of a hidden layer
    before every output but the first, 0 for none.

    Args:
      heads: numbers of each output of the discriminator.
      labelled: whether the generator's latents are followed by the one-hot class.

    Raises:
      UserError: unknown architecture, or an image size that it cannot make.
    """
    require(config, "config.model", NOT_NEGATIVE, "head_width")
    options = {"width": config.width, "batch_norm": config.batch_norm, "dtype": dtype}
    outputs = {"heads": heads, "head_width": config.head_width}
    if config.architecture in ("radford", "chen"):
        doublings(image_shape)
        chen = config.architecture == "chen"
        networks = (ChenGenerator, ChenHeads) if chen else (dcgan.RadfordGenerator, RadfordHeads)
        generator = networks[0](image_shape=image_shape, output_bias=config.output_bias, **options)
        options["width"] = config.discriminator_width or config.width
        options["batch_norm"] &= not config.spectral_norm
        discriminator = networks[1](spectral_norm=config.spectral_norm, **outputs, **options)
    elif config.architecture == "pytorch_gan":
        dcgan.check_quarters(image_shape, config.batch_norm)
        generator = dcgan.UpsamplingGenerator(image_shape=image_shape, **options)
        discriminator = UpsamplingHeads(dropout=config.dropout, **outputs, **options)
    elif config.architecture == "dense":
        require(config, "config.model", NOT_NEGATIVE, "layer_noise")
        generator = SoftplusGenerator(image_shape=image_shape, **options)
        options["batch_norm"] = False
        discriminator = NoisyHeads(noise=config.layer_noise, **outputs, **options)
    else:
        raise UserError(unknown("config.model.architecture", config.architecture, list(_ARCHITECTURES)))
    if labelled:
        generator = LabelledGenerator(generator, num_classes)
    return HeadedGAN(generator, discriminator, config.latent_dim)


class _Heads(nn.Module):
    """Linear outputs on the features of a body.

    Every output but the first has a hidden layer of `head_width` units, if that is above 0, with batch normalisation
    and LeakyReLU 0.1 (Chen et al. 2016, appendix C).
    """

    width: int = 64
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32
    heads: tuple[int, ...] = (1,)
    head_width: int = 0

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, list[jax.Array]]:
        features = self.features(images, train)
        features, outputs = features.reshape(features.shape[0], -1), []
        for number, size in enumerate(self.heads):
            x = features
            if number and self.head_width:
                x = Dense(self.head_width, use_bias=not self.batch_norm, kernel_init=_NORMAL, dtype=self.dtype)(x)
                x = nn.leaky_relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x, 0.1)
            outputs.append(Dense(size, kernel_init=self.head_init(), dtype=self.dtype)(x).astype(jnp.float32))
        return features.astype(jnp.float32), outputs

    def head_init(self) -> nn.initializers.Initializer:
        """The initialiser of the outputs' kernels."""
        return _NORMAL


class RadfordHeads(_Heads, dcgan.RadfordDiscriminator):
    """The discriminator of Radford et al. 2016, with several outputs."""


class ChenHeads(RadfordHeads):
    """The discriminator of Chen et al. 2016 (appendix C): Radford's, then a dense layer of 16 * width units.

    LeakyReLU has slope 0.1. At width 64 and 28x28 pixels these are the paper's sizes for MNIST: 64 and 128 channels,
    then 1,024 units.
    """

    negative_slope: float = 0.1

    def features(self, images: jax.Array, train: bool) -> jax.Array:
        """The dense layer [N, 16 * width]. Only for use inside a compact `__call__`."""
        maps = super().features(images, train)
        x = Dense(16 * self.width, **self._options())(maps.reshape(maps.shape[0], -1))
        return nn.leaky_relu(self.norm(x, train), self.negative_slope)


class UpsamplingHeads(_Heads, dcgan.DropoutDiscriminator):
    """PyTorch-GAN's discriminator, with several outputs."""


class NoisyHeads(_Heads):
    """Layers of width * (4, 2, 1, 1, 1) units with ReLU, and Gaussian noise on the pixels and between the layers.

    At width 250 these are the sizes of Salimans et al. 2016 for MNIST. `noise` is the standard deviation between two
    layers. Pixels in [0, 1] have 3/5 of it. The authors' weight normalisation is left out.
    """

    noise: float = 0.5

    def features(self, images: jax.Array, train: bool) -> jax.Array:
        """The last layer [N, width]. Only for use inside a compact `__call__`."""
        x = (images.reshape(images.shape[0], -1) + 1) / 2
        sizes = [x.shape[1], *(factor * self.width for factor in _FACTORS)]
        # One draw for all layers compiles in a fraction of the time of a draw for each.
        noise = jnp.split(self._noise(x.shape[0], sum(sizes[:-1]), train), np.cumsum(sizes[:-2]), axis=1)
        for number, size in enumerate(sizes[1:]):
            x = x + (noise[number] if number else 0.6 * noise[number]).astype(x.dtype)
            x = nn.relu(Dense(size, kernel_init=_HE, dtype=self.dtype)(x))
        return x

    def head_init(self) -> nn.initializers.Initializer:
        return _GLOROT

    def _noise(self, count: int, size: int, train: bool) -> jax.Array:
        if not train or self.noise == 0 or self.is_initializing():
            return jnp.zeros((count, size))
        return self.noise * example_normal(self.make_rng("dropout"), example_ids(count), (size,))


class ChenGenerator(dcgan.RadfordGenerator):
    """The generator of Chen et al. 2016 (appendix C): a dense layer of 16 * width units, then Radford's layers.

    Both dense layers have batch normalisation for each unit.
    """

    def projection(self, latents: jax.Array, shape: tuple[int, int, int], options, train: bool) -> jax.Array:
        """The first feature maps [B, h, w, C] of that shape. Only for use inside a compact `__call__`."""
        x = latents
        for size in (16 * self.width, math.prod(shape)):
            x = nn.relu(self.norm(nn.Dense(size, **options)(x), train))
        return x.reshape(-1, *shape)


class SoftplusGenerator(nn.Module):
    """Two layers of 2 * width (500) units with softplus and batch normalisation, then tanh (Salimans et al. 2016)."""

    width: int = 250
    image_shape: tuple[int, int, int] = (28, 28, 1)
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del labels
        x = latents
        for _ in range(2):
            x = nn.softplus(Dense(2 * self.width, kernel_init=_GLOROT, dtype=self.dtype)(x))
            x = BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x
        x = Dense(math.prod(self.image_shape), kernel_init=_GLOROT, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32)).reshape(-1, *self.image_shape)
