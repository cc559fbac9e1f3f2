"""Colour transformations (appendix B.2): one affine map of the colours of each image."""

import math

import jax
import jax.numpy as jnp

from jaxgen.ops.ada.draw import Draw

# The axis of luma, along which gray levels lie.
_LUMA = jnp.full((3,), 1 / math.sqrt(3))


def color_matrix(draw: Draw, channels: int) -> jax.Array:
    """[N, 3, 4]: brightness, contrast, inversion of luma, rotation of hue, saturation, one after the other.

    For gray images (one channel) the last two change nothing and are left out.
    """
    brightness = draw.kept(0.2 * draw.normal(), 0.0)
    identity = jnp.broadcast_to(jnp.eye(3), (*brightness.shape, 3, 3))
    shift = jnp.broadcast_to(brightness[:, None], (*brightness.shape, 3))
    contrast = draw.kept(jnp.exp2(0.5 * draw.normal()), 1.0)
    linear = contrast[:, None, None] * identity
    along = jnp.outer(_LUMA, _LUMA)
    flip = draw.kept(jnp.floor(2 * draw.uniform()), 0.0)
    linear = (identity - 2 * along * flip[:, None, None]) @ linear
    if channels == 3:
        angle = draw.kept(math.pi * (2 * draw.uniform() - 1), 0.0)
        linear = _about_luma(angle) @ linear
        saturation = draw.kept(jnp.exp2(draw.normal()), 1.0)
        linear = (along + (identity - along) * saturation[:, None, None]) @ linear
    # Brightness comes first: what follows acts on its shift as well.
    return jnp.concatenate([linear, (linear @ shift[:, :, None])], axis=-1)


def _about_luma(angle: jax.Array) -> jax.Array:
    """Rotations [N, 3, 3] about the luma axis (Rodrigues)."""
    x, y, z = _LUMA
    cross = jnp.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    c, s = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    return c * jnp.eye(3) + s * cross + (1 - c) * jnp.outer(_LUMA, _LUMA)


def transform_colors(images: jax.Array, matrices: jax.Array) -> jax.Array:
    """Images [N, H, W, 3 or 1] through matrices [N, 3, 4]; gray ones through the mean of the three rows."""
    if images.shape[-1] == 3:
        y = jnp.einsum("nij,nhwj->nhwi", matrices[:, :, :3], images, precision="highest")
        return y + matrices[:, None, None, :, 3]
    row = matrices.mean(1)
    return images * row[:, :3].sum(1)[:, None, None, None] + row[:, 3][:, None, None, None]
