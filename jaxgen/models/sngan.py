"""The networks of spectral normalisation (Miyato et al. 2018) and WGAN-GP (Gulrajani et al. 2017): CNN and ResNet.

With `config.model.conditional` the generator has class-conditional batch normalisation and the discriminator a
projection of the class (Miyato and Koyama 2018).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN, doublings
from jaxgen.ops.layers import BatchNorm, ConditionalBatchNorm, Conv, ConvPool, ConvTranspose, Dense, UpsampleConv
from jaxgen.settings.lookup import unknown

_NORMAL = nn.initializers.normal(0.02)
# Glorot's uniform one, and the same with a gain of sqrt(2) on the path that ends in ReLUs.
_GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")
_RESIDUAL = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> GAN:
    """A GAN of `config.architecture` ("cnn" | "resnet") for images [H, W, C].

    Config keys: latent_dim, width (channels of the generator, at full resolution if they vary), discriminator_width
    (0: the same), batch_norm (generator), spectral_norm or layer_norm (discriminator), conditional.

    Raises:
      UserError: unknown architecture, an image size that it cannot make, classes asked for where there are none.
    """
    doublings(image_shape)
    if config.conditional and not num_classes:
        raise UserError("config.model.conditional=True needs data with class labels, but these data have none")
    if config.spectral_norm and config.layer_norm:
        raise UserError(
            "config.model.spectral_norm=True and layer_norm=True: layer normalisation would undo the bound on the "
            "Lipschitz constant. Choose one"
        )
    networks = {"cnn": (ConvGenerator, ConvDiscriminator), "resnet": (ResNetGenerator, ResNetDiscriminator)}
    if config.architecture not in networks:
        raise UserError(unknown("config.model.architecture", config.architecture, sorted(networks)))
    generator, discriminator = networks[config.architecture]
    options = {"num_classes": num_classes if config.conditional else 0, "dtype": dtype}
    return GAN(
        generator(width=config.width, image_shape=image_shape, batch_norm=config.batch_norm, **options),
        discriminator(
            width=config.discriminator_width or config.width,
            spectral_norm=config.spectral_norm,
            layer_norm=config.layer_norm,
            **options,
        ),
        config.latent_dim,
    )


class _Generator(nn.Module):
    """What generators and their blocks share; `num_classes` 0: unconditional."""

    width: int = 64
    image_shape: tuple[int, int, int] = (32, 32, 3)
    batch_norm: bool = True
    num_classes: int = 0
    dtype: jnp.dtype = jnp.float32

    def activate(self, x: jax.Array, labels: jax.Array | None, train: bool) -> jax.Array:
        """ReLU after batch normalisation, if there is any."""
        if self.batch_norm and self.num_classes:
            x = ConditionalBatchNorm(self.num_classes, dtype=self.dtype)(x, labels, train)
        elif self.batch_norm:
            x = BatchNorm(dtype=self.dtype)(x, train)
        return nn.relu(x)


class _Discriminator(nn.Module):
    """What discriminators and their blocks share."""

    width: int = 64
    spectral_norm: bool = False
    layer_norm: bool = False
    num_classes: int = 0
    dtype: jnp.dtype = jnp.float32

    def norm(self, x: jax.Array) -> jax.Array:
        """Layer normalisation of each image over space and channels, if the network has it."""
        if not self.layer_norm:
            return x
        return nn.LayerNorm(reduction_axes=(-3, -2, -1), feature_axes=-1, dtype=self.dtype)(x)

    def project(self, features: jax.Array, labels: jax.Array | None) -> jax.Array:
        """The inner product of features [B, C] with their class's embedding: [B]; Miyato and Koyama 2018, eq. 3."""
        options = {"use_bias": False, "kernel_init": _GLOROT, "spectral_norm": self.spectral_norm}
        embedding = Dense(features.shape[-1], **options)(jax.nn.one_hot(labels, self.num_classes))
        return jnp.sum(embedding * features.astype(jnp.float32), axis=-1)


class ConvGenerator(_Generator):
    """Table 3: projection to 4x4 (7x7 for 28), 4x4 stride-2 transposed convolutions that halve the channels, 3x3, tanh.

    At 32x32 and width 64 the channels are 512, 256, 128, 64. They never exceed 8 * width.
    """

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        start, count = doublings(self.image_shape)
        channels = [self.width << min(stage, 3) for stage in range(count, -1, -1)]
        options = {"kernel_init": _NORMAL, "dtype": self.dtype}
        x = Dense(start * start * channels[0], **options)(latents).reshape(-1, start, start, channels[0])
        x = self.activate(x, labels, train)
        for features in channels[1:]:
            x = self.activate(ConvTranspose(features, **options)(x), labels, train)
        x = Conv(self.image_shape[-1], **options)(x)
        return jnp.tanh(x.astype(jnp.float32))


class ConvDiscriminator(_Discriminator):
    """Pairs of a 3x3 and a 4x4 stride-2 convolution that doubles the channels, LeakyReLU 0.1, as the authors' code.

    At 32x32 and width 64: 64-128, 128-256, 256-512, then a last 3x3 of 512. They never exceed 8 * width.
    """

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        _, count = doublings(images.shape[1:])
        options = {"kernel_init": _NORMAL, "dtype": self.dtype, "spectral_norm": self.spectral_norm}
        channels = [self.width << min(stage, 3) for stage in range(count + 1)]
        x = nn.leaky_relu(Conv(channels[0], **options)(images), 0.1)
        for stage in range(1, count + 1):
            x = Conv(channels[stage], kernel_size=4, stride=2, padding=1, **options)(x)
            x = nn.leaky_relu(self.norm(x), 0.1)
            x = Conv(channels[stage], **options)(x)
            x = nn.leaky_relu(self.norm(x), 0.1)
        logits = Dense(1, **options)(x.reshape(x.shape[0], -1)).astype(jnp.float32)[:, 0]
        if self.num_classes:
            logits = logits + self.project(jnp.sum(x.astype(jnp.float32), axis=(1, 2)), labels)
        return logits


class _UpBlock(_Generator):
    """Residual block that doubles the resolution: [N, H, W, C] -> [N, 2H, 2W, width]."""

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None, train: bool) -> jax.Array:
        h = UpsampleConv(self.width, kernel_init=_RESIDUAL, dtype=self.dtype)(self.activate(x, labels, train))
        h = Conv(self.width, kernel_init=_RESIDUAL, dtype=self.dtype)(self.activate(h, labels, train))
        # A 1x1 convolution and nearest upsampling commute: first the one that then has a quarter of the pixels.
        x = Conv(self.width, kernel_size=1, kernel_init=_GLOROT, dtype=self.dtype)(x)
        return h + x.repeat(2, axis=1).repeat(2, axis=2)


class _DownBlock(_Discriminator):
    """Residual block to `width` channels; `halve`: average pooling at its end; `first`: it begins with the images."""

    halve: bool = False
    first: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        options = {"dtype": self.dtype, "spectral_norm": self.spectral_norm}
        hidden = self.width if self.first else x.shape[-1]
        h = x if self.first else nn.relu(self.norm(x))
        h = nn.relu(self.norm(Conv(hidden, kernel_init=_RESIDUAL, **options)(h)))
        h = (ConvPool if self.halve else Conv)(self.width, kernel_init=_RESIDUAL, **options)(h)
        if not self.halve and x.shape[-1] == self.width:
            return h + x
        if self.halve:  # before the 1x1 convolution, with which it commutes
            n, height, width, channels = x.shape
            x = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
        return h + Conv(self.width, kernel_size=1, kernel_init=_GLOROT, **options)(x)


class ResNetGenerator(_Generator):
    """Tables 4 and 5: projection, residual blocks that double the resolution, BN, ReLU, 3x3, tanh.

    Below 64x64 all have `width` channels (256 for SN-GAN, 128 for WGAN-GP). From 64x64 on they halve down to it.
    """

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        start, count = doublings(self.image_shape)
        channels = _widths(self.width, count)[::-1]
        x = Dense(start * start * channels[0], kernel_init=_GLOROT, dtype=self.dtype)(latents)
        x = x.reshape(-1, start, start, channels[0])
        for features in channels:
            options = {"batch_norm": self.batch_norm, "num_classes": self.num_classes, "dtype": self.dtype}
            x = _UpBlock(width=features, **options)(x, labels, train)
        if self.batch_norm:
            x = BatchNorm(dtype=self.dtype)(x, train)
        x = Conv(self.image_shape[-1], kernel_init=_GLOROT, dtype=self.dtype)(nn.relu(x))
        return jnp.tanh(x.astype(jnp.float32))


class ResNetDiscriminator(_Discriminator):
    """Tables 4 and 5: residual blocks, ReLU, pooling over space, a linear layer.

    Below 64x64 two blocks halve and two do not, all of `width` channels (128). From 64x64 on each block halves and
    doubles the channels, and one more block follows. Spectral normalisation pools by the sum, as in its paper. Without
    it, pooling is by the mean, as in WGAN-GP.
    """

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        _, count = doublings(images.shape[1:])
        widths = _widths(self.width, count)
        halvings = widths if count > 3 else widths[:2]
        x = images
        for i, features in enumerate([*halvings, *widths[-1:], *widths[-1:] * (count <= 3)]):
            options = {"spectral_norm": self.spectral_norm, "layer_norm": self.layer_norm, "dtype": self.dtype}
            x = _DownBlock(features, halve=i < len(halvings), first=i == 0, **options)(x)
        x = nn.relu(self.norm(x)).astype(jnp.float32)
        features = (jnp.sum if self.spectral_norm else jnp.mean)(x, axis=(1, 2))
        head = Dense(1, use_bias=False, kernel_init=_GLOROT, spectral_norm=self.spectral_norm)
        logits = head(features)[:, 0]
        return logits + self.project(features, labels) if self.num_classes else logits


def _widths(width: int, count: int) -> list[int]:
    """Channels of `count` residual blocks, from the full resolution down."""
    return [width << min(stage, 4) if count > 3 else width for stage in range(count)]
