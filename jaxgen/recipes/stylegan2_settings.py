"""The numbers of StyleGAN2's training, checked."""

from typing import NamedTuple

from jaxgen.errors import UserError
from jaxgen.settings import divisibility
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


class Settings(NamedTuple):
    """Numbers of `config.recipe`, and the global batch size."""

    batch_size: int
    r1_gamma: float
    r1_interval: int
    path_length_weight: float
    path_length_interval: int
    path_length_decay: float
    path_length_shrink: int
    style_mixing: float
    w_avg_beta: float
    ema_kimg: float
    ema_ramp: float


def settings_of(config) -> Settings:
    """The numbers of `config.recipe`.

    Raises:
      UserError: one of them cannot be.
    """
    for key, off in _NOT_HERE.items():
        if config.recipe[key] != off:
            raise UserError(
                f"config.recipe.{key}={config.recipe[key]!r} is no part of recipe 'stylegan2': leave it {off!r}"
            )
    if config.compute_dtype != "float32":
        raise UserError(
            f"config.compute_dtype={config.compute_dtype!r}: StyleGAN2 computes in bfloat16 at its highest resolutions "
            "only, config.model.bfloat16_resolutions; leave compute_dtype 'float32'"
        )
    divisibility.check_groups(config)
    require(config.recipe, "config.recipe", AT_LEAST_ONE, "r1_interval", "path_length_interval", "path_length_shrink")
    require(config.recipe, "config.recipe", NOT_NEGATIVE, "r1_gamma", "path_length_weight", "ema_kimg", "ema_ramp")
    values = {name: config.recipe[name] for name in Settings._fields if name != "batch_size"}
    for key in ("style_mixing", "w_avg_beta", "path_length_decay"):
        if not 0 <= values[key] <= 1:
            raise UserError(f"config.recipe.{key}={values[key]}: it must lie between 0 and 1")
    return Settings(config.batch_size, **values)
