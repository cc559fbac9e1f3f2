"""A network applied to any number of images, a fixed number at a time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError

Outputs = tuple[jax.Array, ...]


def in_chunks(apply: Callable[[jax.Array], Outputs], images: jax.Array, cpu: int, accelerator: int) -> Outputs:
    """`apply` to images uint8 [B, H, W, C], C 1 or 3, in pieces of one size: one compiled program for any B.

    On CPU few images at a time stay in the caches; on an accelerator the size bounds memory. Images that lie spread
    over several devices are taken whole, each device its own.

    Args:
      apply: images of a piece -> arrays with one row an image.
      cpu, accelerator: images in a piece on each kind of device.

    Raises:
      UserError: not such images.
    """
    shape = np.shape(images)
    if len(shape) != 4 or shape[3] not in (1, 3) or images.dtype != np.uint8:
        raise UserError(
            f"images: {images.dtype} of shape {shape}; a feature network takes uint8 [B, H, W, C] with 1 or 3 channels"
        )
    if isinstance(images, jax.Array) and len(images.devices()) > 1:
        return apply(images)
    on_cpu = jax.default_backend() == "cpu"
    size, module = (cpu, np) if on_cpu else (accelerator, jnp)
    images, count = module.asarray(images), len(images)
    padding = -count % size if count else size
    images = module.concatenate([images, module.zeros((padding, *shape[1:]), np.uint8)])
    parts = []
    for first in range(0, len(images), size):
        # Off the CPU a slice at a traced place: one small program for all of them.
        part = images[first : first + size] if on_cpu else jax.lax.dynamic_slice_in_dim(images, first, size)
        parts.append(apply(part))
    return tuple(module.concatenate(outputs)[:count] for outputs in zip(*parts, strict=True))
