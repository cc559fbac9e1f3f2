"""Ranges of a config's numbers that hold for every model and recipe. The models' own checks are stricter."""

import math
from typing import NamedTuple

from ml_collections import ConfigDict

from jaxgen.errors import UserError

# What NumPy, scikit-learn and JAX's keys take.
_SEEDS_END = 2**32


class Range(NamedTuple):
    """Finite numbers from `low` on (`open_low`: above it) and below `high`."""

    low: float
    high: float = math.inf
    open_low: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        finite = isinstance(value, int) or math.isfinite(value)  # integers may be too large for isfinite
        return finite and value < self.high and (value > self.low if self.open_low else value >= self.low)

    def __str__(self) -> str:
        if self.high == _SEEDS_END:
            return f"between {self.low:g} and 2^32 - 1"
        if self.high < math.inf:
            return f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:g})"
        if self.open_low:
            return f"above {self.low:g}"
        return f"{self.low:g} or more" if self.low != 1 else "at least 1"


AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, SHARE = Range(1), Range(0), Range(0, open_low=True), Range(0, 1)
SEED, _SEED_OR_RUNS = Range(0, _SEEDS_END), Range(-1, _SEEDS_END)
_COUNTS_OF_EVALUATION = (
    "num_samples",
    "num_samples_in_training",
    "batch_size",
    "likelihood_samples",
    "mixture_components",
)
_RANGES: dict[str, dict[Range, tuple[str, ...]]] = {
    "model": {
        AT_LEAST_ONE: ("latent_dim", "width"),
        NOT_NEGATIVE: ("discriminator_width", "bfloat16_resolutions", "remat_resolutions", "conv_clamp"),
        POSITIVE: ("mapping_lr_multiplier",),
        SHARE: ("dropout",),
    },
    "recipe": {
        NOT_NEGATIVE: ("beta", "sigma", "free_bits"),
        SHARE: ("ema_decay",),
    },
    "data": {NOT_NEGATIVE: ("workers", "resident_mib"), _SEED_OR_RUNS: ("seed",)},
    "evaluation": {
        SEED: ("seed",),
        AT_LEAST_ONE: _COUNTS_OF_EVALUATION,
        NOT_NEGATIVE: ("num_train", "sampler_images"),
    },
    "project": {
        AT_LEAST_ONE: ("num_images", "steps", "restarts", "w_steps", "w_samples"),
        POSITIVE: ("learning_rate", "w_learning_rate"),
    },
    "plan": {AT_LEAST_ONE: ("max_batch",), NOT_NEGATIVE: ("num_images",)},
    "sample": {AT_LEAST_ONE: ("rows", "columns", "num_images", "video_frames", "video_fps")},
}
_OF_OPTIMIZERS = {
    NOT_NEGATIVE: ("learning_rate", "eps", "clip_norm", "warmup_steps", "weight_decay"),
    SHARE: ("b1", "b2"),
}


def check(config: ConfigDict) -> None:
    """Refuses numbers that no run can have.

    Raises:
      UserError: one line with the key, its value and the range.
    """
    groups = {f"config.{group}": (config[group], ranges) for group, ranges in _RANGES.items()}
    groups["config"] = (config, {SEED: ("seed",)})
    groups |= {f"config.optimizers.{name}": (player, _OF_OPTIMIZERS) for name, player in config.optimizers.items()}
    for group, (settings, ranges) in groups.items():
        for allowed, keys in ranges.items():
            require(settings, group, allowed, *keys)


def require(settings: ConfigDict, group: str, allowed: Range, *keys: str) -> None:
    """Refuses values of `keys` outside a range. `group` is the name of `settings`, such as "config.model"."""
    for key in keys:
        if not allowed.holds(settings[key]):
            raise UserError(f"{group}.{key}={settings[key]}: it must be {allowed}")
