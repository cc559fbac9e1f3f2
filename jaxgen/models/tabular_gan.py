"""GANs of dense layers for rows of a table, after CTGAN (Xu et al. 2019, section 4.3): residual generator, packs.

One-hot parts come from a Gumbel-softmax (Jang et al. 2017) whose noise is part of the latents. The class is a
condition of both networks. Each row is judged with the others of its pack (PacGAN, Lin et al. 2018).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN, with_class
from jaxgen.ops.layers import BatchNorm, ChannelDropout, Dense
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

VECTORS = TABLES = True
# Of the Gumbel-softmax (the authors' code); the discriminator sees its soft output.
TEMPERATURE = 0.2

Layout = tuple[tuple[str, int], ...]


def build(config, image_shape: tuple[int, ...], num_classes: int, dtype, *, layout: Layout = ()) -> GAN:
    """A GAN for rows [D] of a table.

    Config keys: latent_dim, width and hidden_layers (of both networks), discriminator_width (0: the same), batch_norm
    (generator), dropout and spectral_norm (discriminator), pack.

    Raises:
      UserError: data that are no table, or a number that cannot be.
    """
    check(config, layout, "tabular_gan")
    require(config, "config.model", AT_LEAST_ONE, "pack")
    noise = sum(count for kind, count in layout if kind == "softmax")
    width, layers = config.discriminator_width or config.width, config.hidden_layers
    return GAN(
        TabularGenerator(config.width, layers, config.latent_dim, layout, num_classes, config.batch_norm, dtype),
        TabularDiscriminator(width, layers, num_classes, config.dropout, config.spectral_norm, dtype),
        config.latent_dim + noise,
        config.pack,
    )


def check(config, layout: Layout, name: str) -> None:
    """Refuses data without a layout and numbers that cannot be."""
    if not layout:
        raise UserError(
            f"config.model.name={name!r} makes rows of a table, but these data are no table. Use "
            "data.name=breast_cancer or csv, or another model"
        )
    require(config, "config.model", AT_LEAST_ONE, "hidden_layers")


class TabularGenerator(nn.Module):
    """Hidden layers of `width` units with ReLU, then a layer for the row (CTGAN's residual blocks).

    Each hidden layer's output is joined to its input. Latents [B, Z + G] hold G normal numbers behind the network's Z
    latents, one for each one-hot place. They are the noise of the Gumbel-softmax, in training and in sampling.
    """

    width: int
    hidden_layers: int
    latent_dim: int
    layout: Layout
    num_classes: int = 0
    batch_norm: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        latents, noise = jnp.split(latents, [self.latent_dim], axis=-1)
        x = with_class(latents, labels, self.num_classes)
        for _ in range(self.hidden_layers):
            y = Dense(self.width, dtype=self.dtype)(x)
            if self.batch_norm:
                y = BatchNorm(dtype=self.dtype)(y, train)
            x = jnp.concatenate([nn.relu(y), x.astype(self.dtype)], axis=-1)
        x = Dense(sum(count for _, count in self.layout), dtype=self.dtype)(x).astype(jnp.float32)
        return _activated(x, noise, self.layout)


def _activated(x: jax.Array, noise: jax.Array, layout: Layout) -> jax.Array:
    """Turns the last layer's output into rows, each part by its kind. x: [B, D]. noise: [B, G] standard normal."""
    # -log(-log u) of uniform u: Gumbel's distribution, and finite at any normal number.
    gumbel = -jnp.log(-jax.scipy.special.log_ndtr(noise))
    parts, place, drawn = [], 0, 0
    for kind, count in layout:
        part = x[:, place : place + count]
        if kind == "softmax":
            part = jax.nn.softmax((part + gumbel[:, drawn : drawn + count]) / TEMPERATURE)
            drawn += count
        parts.append(jnp.tanh(part) if kind == "tanh" else part)
        place += count
    return jnp.concatenate(parts, axis=-1)


class TabularDiscriminator(nn.Module):
    """Rows [B, D] or packs [B, pack, D] side by side through layers of `width` units with LeakyReLU 0.2 and dropout."""

    width: int
    hidden_layers: int
    num_classes: int = 0
    dropout: float = 0.5
    spectral_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, rows: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        options = {"dtype": self.dtype, "spectral_norm": self.spectral_norm}
        x = with_class(rows, labels, self.num_classes)
        x = x.reshape(x.shape[0], -1)
        for _ in range(self.hidden_layers):
            x = nn.leaky_relu(Dense(self.width, **options)(x), 0.2)
            x = ChannelDropout(self.dropout)(x, train)
        return Dense(1, **options)(x).astype(jnp.float32)[:, 0]
