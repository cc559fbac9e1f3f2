"""VQ-VAE's networks (van den Oord et al. 2017, section 4.1): residual encoder and decoder, and a prior over codes."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.residual_vae import Down, code_shape, trunks
from jaxgen.ops.layers import Conv
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

# Keys and values [B, L, heads, d] of each block: what later positions need of the earlier ones.
Cache = tuple[tuple[jax.Array, jax.Array], ...]


class VQVAE(NamedTuple):
    """Networks of a VAE whose latents are a grid of codes.

    encoder: `(images [B, H, W, C], train) -> [B, h, w, code_dim]`, float32.
    decoder: `([B, h, w, code_dim], train) -> [B, H, W, output channels]`, float32, unbounded.
    prior: over the h * w codes in rows. See `CausalTransformer`, whose `step` and `empty` draw samples.
    code_shape: (h, w).
    num_codes: entries of the codebook.
    """

    encoder: nn.Module
    decoder: nn.Module
    prior: "CausalTransformer"
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
    sizes = config.prior_width, config.prior_layers, config.prior_heads
    prior = CausalTransformer(config.num_codes, height * width, *sizes, dtype)
    return VQVAE(Encoder(config.code_dim, down), up, prior, (height, width), config.num_codes, config.code_dim)


class Encoder(nn.Module):
    """`Down` and a 1x1 convolution to the codes' dimension."""

    code_dim: int
    trunk: Down

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        x = self.trunk(images, train)
        return Conv(self.code_dim, kernel_size=1, dtype=self.trunk.dtype)(x).astype(jnp.float32)


class _Block(nn.Module):
    width: int
    heads: int
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self.norms = [nn.LayerNorm(dtype=self.dtype) for _ in range(2)]
        self.query_key_value = nn.Dense(3 * self.width, dtype=self.dtype)
        self.attended = nn.Dense(self.width, dtype=self.dtype)
        self.wide = nn.Dense(4 * self.width, dtype=self.dtype)
        self.narrow = nn.Dense(self.width, dtype=self.dtype)

    def __call__(self, x, cache=None, position=None):
        """x: [B, L, width], or one position [B, 1, width] with the cache of those before it."""
        parts = self.query_key_value(self.norms[0](x)).reshape(*x.shape[:2], 3, self.heads, -1)
        query, key, value = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        if cache is None:
            seen = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool))
        else:
            key = jax.lax.dynamic_update_slice_in_dim(cache[0], key, position, axis=1)
            value = jax.lax.dynamic_update_slice_in_dim(cache[1], value, position, axis=1)
            seen = jnp.arange(key.shape[1])[None] <= position
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key).astype(jnp.float32) / query.shape[-1] ** 0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)).astype(self.dtype)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)
        x = x + self.attended(mixed)
        return x + self.narrow(nn.gelu(self.wide(self.norms[1](x)))), (key, value)


class CausalTransformer(nn.Module):
    """p(codes) = prod_i p(code_i | codes before i): codes int32 [B, length] -> logits [B, length, num_codes].

    Vaswani et al. 2017, layer norm first as in Radford et al. 2019.
    """

    num_codes: int
    length: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        normal = nn.initializers.normal(0.02)
        # One embedding more than there are codes: what stands before the first.
        self.embedding = self.param("embedding", normal, (self.num_codes + 1, self.width))
        self.positions = self.param("positions", normal, (self.length, self.width))
        self.blocks = [_Block(self.width, self.heads, self.dtype) for _ in range(self.layers)]
        self.norm = nn.LayerNorm(dtype=self.dtype)
        self.head = nn.Dense(self.num_codes, dtype=self.dtype)

    def __call__(self, codes: jax.Array, train: bool = False) -> jax.Array:
        del train
        before = jnp.pad(codes[:, :-1], ((0, 0), (1, 0)), constant_values=self.num_codes)
        x = (self.embedding[before] + self.positions).astype(self.dtype)
        for block in self.blocks:
            x, _ = block(x)
        return self.head(self.norm(x)).astype(jnp.float32)

    def empty(self, count: int) -> Cache:
        """The cache of `count` sequences before their first position."""
        zeros = jnp.zeros((count, self.length, self.heads, self.width // self.heads), self.dtype)
        return ((zeros, zeros),) * self.layers

    def step(self, before: jax.Array, position: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        """Logits [B, num_codes] at `position` after the code `before` [B] (`num_codes` where there is none)."""
        x = (self.embedding[before] + self.positions[position]).astype(self.dtype)[:, None]
        caches = []
        for block, of_block in zip(self.blocks, cache, strict=True):
            x, of_block = block(x, of_block, position)
            caches.append(of_block)
        return self.head(self.norm(x))[:, 0].astype(jnp.float32), tuple(caches)


def sample_codes(prior: CausalTransformer, params, key: jax.Array, ids: jax.Array) -> jax.Array:
    """Codes int32 [n, length] drawn one position after the other. Row i depends on `key` and `ids[i]` alone."""

    def step(carry, position):
        before, cache = carry
        logits, cache = prior.apply({"params": params}, before, position, cache, method="step")
        keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(key, i), position))(ids)
        drawn = jax.vmap(jax.random.categorical)(keys, logits).astype(jnp.int32)
        return (drawn, cache), drawn

    start = jnp.full(ids.shape, prior.num_codes, jnp.int32), prior.empty(ids.shape[0])
    return jax.lax.scan(step, start, jnp.arange(prior.length))[1].T
