"""Differentiable distances between images: LPIPS, and a similar distance in EfficientNet-Lite0, uncalibrated."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import efficientnet_lite0, lpips_vgg
from jaxgen.settings.lookup import unknown

# EfficientNet-Lite0 sees images of this side at least; its last stage divides it by 32.
_EFFICIENTNET_SIDE = 128
_NAMES = ("efficientnet_lite0", "lpips_vgg")
# The last stage of each resolution.
_STAGES = (0, 1, 2, 4, 6)


class Perceptual(NamedTuple):
    """A distance of images: the sum of squared differences of their embeddings.

    name: for records. embed: `(params, images float32 [B, H, W, 1 or 3] in [-1, 1]) -> arrays [B, ...]`.
    """

    name: str
    params: dict
    embed: Callable[[dict, jax.Array], list[jax.Array]]


def check(name: str, key: str) -> None:
    """Refuses a name that is no distance.

    Raises:
      UserError: it names the distances.
    """
    if name not in ("", *_NAMES):
        raise UserError(unknown(key, name, list(_NAMES), "'' for none"))


def load(name: str, key: str, image_shape: tuple[int, ...]) -> Perceptual:
    """The distance `name`: efficientnet_lite0, lpips_vgg, or "" for none.

    Args:
      key: the config key, for error lines.
      image_shape: (H, W, C) of the images to compare.

    Raises:
      UserError: no such distance, unsuitable images, or missing weights.
    """
    check(name, key)
    if name and image_shape[2] not in (1, 3):
        raise UserError(f"{key}={name!r}: images of {image_shape[2]} channels are neither grey nor RGB. Set it to ''")
    if name == "lpips_vgg":
        if min(image_shape[:2]) < lpips_vgg.MIN_SIDE:
            raise UserError(f"{key}={name!r}: its VGG16 needs images of {lpips_vgg.MIN_SIDE} pixels or more")
        network = lpips_vgg.load()
        return Perceptual(network.name, network.params, network.embedding)
    if name == "efficientnet_lite0":
        description = "EfficientNet-Lite0, five stages' channels of unit length, mean over positions and stages"
        return Perceptual(description, efficientnet_lite0.pretrained(), _efficientnet_embedding)
    return Perceptual("none", {}, lambda params, images: [])


def _efficientnet_embedding(params: dict, images: jax.Array) -> list[jax.Array]:
    """Zhang et al. 2018, eq. 1, all channels weighted alike ("baseline"), over the last stage of each resolution."""
    b, h, w, c = images.shape
    factor = max(_EFFICIENTNET_SIDE / min(h, w), 1)
    size = round(h * factor), round(w * factor)
    images = jax.image.resize(images, (b, *size, c), "bilinear") if factor > 1 else images
    scaled = ((images + 1) * 127.5 - 127) / 128
    arrays = []
    for number, y in enumerate(efficientnet_lite0.stages(params, jnp.broadcast_to(scaled, (b, *size, 3)))):
        if number in _STAGES:
            unit = y * jax.lax.rsqrt(jnp.sum(y**2, axis=-1, keepdims=True) + 1e-10)
            arrays.append(unit / jnp.sqrt(len(_STAGES) * y.shape[1] * y.shape[2]))
    return arrays
