"""FreezeD: the discriminator's layers at the highest resolutions stay as they are (Mo et al. 2020)."""

import jax

from jaxgen.errors import UserError
from jaxgen.recipes.base import PyTree


def discriminator_layers(architecture: str, side: int) -> list[tuple[str, str]]:
    """Paths of StyleGAN2's convolutions above 4x4, from the image on, in the order in which they are frozen.

    In a block: fromrgb (of the first one, or of all in "skip"), conv0, conv1, skip (in "resnet").
    """
    layers = []
    resolution = side
    while resolution > 4:
        first = ["fromrgb"] if resolution == side or architecture == "skip" else []
        last = ["skip"] if architecture == "resnet" else []
        layers += [(f"b{resolution}", name) for name in (*first, "conv0", "conv1", *last)]
        resolution //= 2
    return layers


def frozen_layers(count: int, architecture: str, side: int) -> frozenset[tuple[str, str]]:
    """The first `count` of `discriminator_layers`.

    Raises:
      UserError: there are not so many.
    """
    layers = discriminator_layers(architecture, side)
    if not 0 <= count <= len(layers):
        raise UserError(
            f"config.recipe.freeze_d_layers={count}: this discriminator has {len(layers)} layers that can be frozen; "
            "it must lie between 0 and that"
        )
    return frozenset(layers[:count])


def stopped(params: PyTree, frozen: frozenset[tuple[str, str]]) -> PyTree:
    """The parameters, those of frozen layers without a gradient."""
    if not frozen:
        return params

    def stop(path, leaf):
        return jax.lax.stop_gradient(leaf) if tuple(part.key for part in path[:2]) in frozen else leaf

    return jax.tree_util.tree_map_with_path(stop, params)
