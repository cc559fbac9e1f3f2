"""Differentiable augmentation of real and fake images alike (Zhao et al. 2020, sections 3.2 and 4)."""

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_uniform


def _color(x, key, ids):
    """Brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5), one number each for an image."""
    brightness, saturation, contrast = jnp.split(example_uniform(key, ids, (1, 1, 3)), 3, axis=-1)
    x = x + (brightness - 0.5)
    gray = x.mean(-1, keepdims=True)
    x = gray + (x - gray) * 2 * saturation
    mean = x.mean((1, 2, 3), keepdims=True)
    return mean + (x - mean) * (contrast + 0.5)


def _translation(x, key, ids, ratio: float = 0.125):
    """Shifts by whole pixels, up to an eighth of the side each way. The uncovered border is 0."""
    uniform = example_uniform(key, ids, (2,))

    def selection(size, uniform):
        # A matrix product instead of a gather: its gradient is one too, and no scatter.
        reach = int(size * ratio + 0.5)
        shift = jnp.floor(uniform * (2 * reach + 1)).astype(jnp.int32) - reach
        source = jnp.arange(size)[None, :] + shift[:, None]
        return (source[:, :, None] == jnp.arange(size)).astype(x.dtype)

    x = jnp.einsum("nhi,niwc->nhwc", selection(x.shape[1], uniform[:, 0]), x, precision="highest")
    return jnp.einsum("nwi,nhic->nhwc", selection(x.shape[2], uniform[:, 1]), x, precision="highest")


def _cutout(x, key, ids, ratio: float = 0.5):
    """A square of half the side is 0; its centre lies anywhere in the image."""
    uniform = example_uniform(key, ids, (2,))

    def inside(size, uniform):
        length = int(size * ratio + 0.5)
        first = jnp.floor(uniform * (size + 1 - length % 2)).astype(jnp.int32) - length // 2
        pixel = jnp.arange(size)[None, :]
        return (pixel >= first[:, None]) & (pixel < first[:, None] + length)

    rows, columns = inside(x.shape[1], uniform[:, 0]), inside(x.shape[2], uniform[:, 1])
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, x)


CHOICES = {"color": _color, "translation": _translation, "cutout": _cutout}


def augment(images: jax.Array, key: jax.Array, ids: jax.Array, policies: tuple[str, ...]) -> jax.Array:
    """Images [B, H, W, C] in [-1, 1] after the named augmentations, in the given order.

    Args:
      images: input images. The result is differentiable in them.
      key, ids: random numbers belong to the example of that number in the global batch.
      policies: names of `CHOICES`.
    """
    for i, name in enumerate(policies):
        images = CHOICES[name](images, jax.random.fold_in(key, i), ids)
    return images
