"""VQ-VAE's networks (van den Oord et al. 2017, section 4.1): residual encoder and decoder, and a prior over codes."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.causal_transformer import CausalTransformer
from jaxgen.models.residual_vae import Down, code_shape, trunks
from jaxgen.ops.layers import Conv
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require


class VQVAE(NamedTuple):
    """Networks of a VAE whose latents are a grid of codes.

    encoder: `(images [B, H, W, C], train) -> [B, h, w, code_dim]`, float32.
    decoder: `([B, h, w, code_dim], train) -> [B, H, W, output channels]`, float32, unbounded.
    prior: over the h * w codes in rows; see `CausalTransformer`, whose `step` and `empty` draw samples.
    code_shape: (h, w).
    num_codes: entries of the codebook.
    """

    encoder: nn.Module
    decoder: nn.Module
    prior: CausalTransformer
    code_shape: tuple[int, int]
    num_codes: int
    code_dim: int


def build(
    config, image_shape: tuple[int, int, int], num_classes: int, dtype, *, output_channels: int | None = None
) -> VQVAE:
    """Networks for images [H, W, C] of any sides that `config.downsamplings` halvings divide.

    Config keys: those of `residual_vae` without latent_dim, and num_codes, code_dim, prior_width, prior_layers,
    prior_heads. The decoder gives `output_channels` channels where the likelihood wants another number than C.

    Raises:
      UserError: an image size that it cannot make, numbers that make no network.
    """
    sizes = ("num_codes", "code_dim", "prior_width", "prior_layers", "prior_heads")
    require(config, "config.model", AT_LEAST_ONE, *sizes)
    if config.prior_width % config.prior_heads:
        raise UserError(
            f"config.model.prior_width={config.prior_width} does not divide into "
            f"config.model.prior_heads={config.prior_heads} heads"
        )
    height, width = code_shape(config, image_shape)
    down, up = trunks(config, output_channels or image_shape[-1], dtype)
    prior = CausalTransformer(
        config.num_codes,
        height * width,
        width=config.prior_width,
        layers=config.prior_layers,
        heads=config.prior_heads,
        dtype=dtype,
    )
    return VQVAE(Encoder(config.code_dim, down), up, prior, (height, width), config.num_codes, config.code_dim)


class Encoder(nn.Module):
    """`Down` and a 1x1 convolution to the codes' dimension."""

    code_dim: int
    trunk: Down

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        x = self.trunk(images, train)
        return Conv(self.code_dim, kernel_size=1, dtype=self.trunk.dtype)(x).astype(jnp.float32)
