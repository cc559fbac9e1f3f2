"""VAEs of dense layers for rows of a table, after TVAE (Xu et al. 2019, section 4.4), with the class as a condition."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.base import VAE, posterior, with_class
from jaxgen.models.tabular_gan import Layout, check
from jaxgen.ops.layers import Dense

VECTORS = TABLES = True


def build(config, image_shape: tuple[int, ...], num_classes: int, dtype, *, layout: Layout = ()) -> VAE:
    """A VAE for rows [D] of a table. Config keys: latent_dim, width and hidden_layers (of both networks).

    Raises:
      UserError: data that are no table, or a number that cannot be.
    """
    check(config, layout, "tabular_vae")
    sizes = config.width, config.hidden_layers
    return VAE(
        TabularEncoder(config.latent_dim, *sizes, num_classes, dtype),
        TabularDecoder(image_shape[0], *sizes, num_classes, dtype),
        config.latent_dim,
        conditional=bool(num_classes),
    )


class TabularEncoder(nn.Module):
    """Hidden layers of `width` units with ReLU, then the posterior's mean and log-variance."""

    latent_dim: int
    width: int = 128
    hidden_layers: int = 2
    num_classes: int = 0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, rows: jax.Array, labels: jax.Array | None = None, train: bool = False):
        del train
        x = _hidden(with_class(rows, labels, self.num_classes), self.width, self.hidden_layers, self.dtype)
        return posterior(Dense(2 * self.latent_dim, dtype=self.dtype)(x))


class TabularDecoder(nn.Module):
    """Hidden layers of `width` units with ReLU and a linear one. Output [B, D], unbounded: the likelihood maps it."""

    dimensions: int
    width: int = 128
    hidden_layers: int = 2
    num_classes: int = 0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        x = with_class(latents, labels, self.num_classes)
        # The straight way from the latents: columns that move together need no hidden layer for it.
        straight = Dense(self.dimensions, use_bias=False, dtype=self.dtype)(x)
        x = _hidden(x, self.width, self.hidden_layers, self.dtype)
        return (Dense(self.dimensions, dtype=self.dtype)(x) + straight).astype(jnp.float32)


def _hidden(x: jax.Array, width: int, layers: int, dtype: jnp.dtype) -> jax.Array:
    for _ in range(layers):
        x = nn.relu(Dense(width, dtype=dtype)(x))
    return x
