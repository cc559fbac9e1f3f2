"""Checked settings of StyleGAN2's training, and FreezeD (Mo et al. 2020), which freezes some layers."""

import jax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models.stylegan2.synthesis import resolutions
from jaxgen.recipes.base import PyTree
from jaxgen.settings import checks
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

# Settings of other GANs that would change nothing here.
_NOT_HERE = {
    "n_critic": 1,
    "generator_batch": 1,
    "penalty": "",
    "weight_clip": 0.0,
    "label_smoothing": 0.0,
    "dequantize": False,
    "instance_noise": 0.0,
    "ema_decay": 0.999,  # ema_kimg is its own
}


def check_settings(config: ConfigDict) -> None:
    """Refuses impossible numbers in `config.recipe`."""
    for key, off in _NOT_HERE.items():
        if config.recipe[key] != off:
            raise UserError(
                f"config.recipe.{key}={config.recipe[key]!r} is no part of recipe 'stylegan2'. Leave it {off!r}"
            )
    if config.compute_dtype != "float32":
        raise UserError(
            f"config.compute_dtype={config.compute_dtype!r}: StyleGAN2 computes in bfloat16 at its highest resolutions "
            "only, config.model.bfloat16_resolutions. Leave compute_dtype 'float32'"
        )
    checks.check_groups(config)
    require(config.recipe, "config.recipe", AT_LEAST_ONE, "r1_interval", "path_length_interval", "path_length_shrink")
    require(config.recipe, "config.recipe", NOT_NEGATIVE, "r1_gamma", "path_length_weight", "ema_kimg", "ema_ramp")
    for key in ("style_mixing", "w_avg_beta", "path_length_decay"):
        if not 0 <= config.recipe[key] <= 1:
            raise UserError(f"config.recipe.{key}={config.recipe[key]}: it must lie between 0 and 1")


def discriminator_layers(architecture: str, side: int) -> list[tuple[str, str]]:
    """Paths of StyleGAN2's convolutions above 4x4, starting at the image, in the order of freezing.

    In a block: fromrgb (in the first block, or in all with "skip"), conv0, conv1, skip (in "resnet").
    """
    layers = []
    for resolution in reversed(resolutions(side)[1:]):
        first = ["fromrgb"] if resolution == side or architecture == "skip" else []
        last = ["skip"] if architecture == "resnet" else []
        layers += [(f"b{resolution}", name) for name in (*first, "conv0", "conv1", *last)]
    return layers


def frozen_layers(count: int, architecture: str, side: int) -> frozenset[tuple[str, str]]:
    """The first `count` of `discriminator_layers`.

    Raises:
      UserError: there are fewer layers.
    """
    layers = discriminator_layers(architecture, side)
    if not 0 <= count <= len(layers):
        raise UserError(
            f"config.recipe.freeze_d_layers={count}: this discriminator has {len(layers)} layers that can be frozen. "
            f"Use 0 to {len(layers)}"
        )
    return frozenset(layers[:count])


def stopped(params: PyTree, frozen: frozenset[tuple[str, str]]) -> PyTree:
    """The parameters. Parameters of frozen layers have no gradient."""
    if not frozen:
        return params

    def stop(path, leaf):
        return jax.lax.stop_gradient(leaf) if tuple(part.key for part in path[:2]) in frozen else leaf

    return jax.tree_util.tree_map_with_path(stop, params)
