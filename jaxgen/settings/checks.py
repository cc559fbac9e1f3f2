"""Checks of a config before anything is built from it, and every rule of what divides a batch.

A step takes `batch_size` examples in `grad_accum_steps` parts, one after the other. The devices share each part.
"""

import math

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import default, number_ranges
from jaxgen.settings.configuration import flatten, to_dict
from jaxgen.settings.number_ranges import AT_LEAST_ONE

CADENCES = ("log_every", "sample_every", "checkpoint_every", "eval_every", "histogram_every")


def check(config: ConfigDict) -> None:
    """Refuses numbers that no run can have.

    Raises:
      UserError: one line with the key, its value and the mend.
    """
    _check_complete(config)
    at_least_one = ("steps", "batch_size", "grad_accum_steps", "steps_per_dispatch", "keep_checkpoints", "num_seeds")
    number_ranges.require(config, "config", AT_LEAST_ONE, *at_least_one)
    for key in (*CADENCES, "num_devices", "seed_devices"):
        if config[key] < 0:
            raise UserError(f"config.{key}={config[key]}: it must be 0 (never) or more")
    _check_seeds(config)
    if not config.log_every:
        raise UserError("config.log_every=0: it must be at least 1, or metrics.jsonl would stay empty")
    per_dispatch = config.steps_per_dispatch
    for key in ("steps", *CADENCES):
        if config[key] % per_dispatch:
            near = max(per_dispatch, round(config[key] / per_dispatch) * per_dispatch)
            raise UserError(
                f"config.{key}={config[key]} is no multiple of config.steps_per_dispatch={per_dispatch}: "
                f"use {near}, or change steps_per_dispatch"
            )
    _check_budget(config)
    check_parts(config)
    if config.eval_every and config.checkpoint_every and config.eval_every % config.checkpoint_every:
        raise UserError(
            f"config.eval_every={config.eval_every} is no multiple of config.checkpoint_every="
            f"{config.checkpoint_every}. Each evaluation needs a checkpoint of its step"
        )
    if config.best_metric and not config.eval_every:
        raise UserError(f"config.best_metric={config.best_metric!r} needs config.eval_every > 0")
    if config.compute_dtype not in ("float32", "bfloat16"):
        raise UserError(f"config.compute_dtype={config.compute_dtype!r}: choices: float32, bfloat16")
    number_ranges.check(config)
    _check_metrics(config)


def _check_budget(config: ConfigDict) -> None:
    seconds = config.budget.seconds
    if not (math.isfinite(seconds) and seconds >= 0):
        raise UserError(f"config.budget.seconds={seconds}: it must be 0 (no limit) or more")
    for name, optimizer in config.optimizers.items():
        if seconds and optimizer.schedule != "constant":
            raise UserError(
                f"config.budget.seconds={seconds:g} with config.optimizers.{name}.schedule={optimizer.schedule!r}: "
                "the schedule must know the last step. Set config.steps alone, or a constant schedule"
            )


def _check_seeds(config: ConfigDict) -> None:
    if config.seed_program not in ("auto", "vmap", "map"):
        raise UserError(f"config.seed_program={config.seed_program!r}: choices: auto, vmap, map")
    if config.seed_devices > 1 == config.num_seeds:
        raise UserError(f"config.seed_devices={config.seed_devices} spreads several seeds: set config.num_seeds too")
    if config.num_seeds > 1 and not 0 <= config.seed <= 2**32 - config.num_seeds:
        raise UserError(
            f"config.seed={config.seed} with config.num_seeds={config.num_seeds}: seeds must be between 0 and 2^32 - 1"
        )


def _check_metrics(config: ConfigDict) -> None:
    chosen = config.evaluation.metrics_in_training
    if config.best_metric and chosen and config.best_metric not in chosen:
        raise UserError(
            f"config.best_metric={config.best_metric!r} is not measured in training: add it to "
            "config.evaluation.metrics_in_training"
        )
    names = {f"evaluation.{key}": config.evaluation[key] for key in ("metrics", "metrics_in_training")}
    for key, chosen in {**names, "trackers": config.trackers}.items():
        for name in chosen:
            if "," in name:
                listed = ",".join(f"'{part.strip()}'" for part in name.split(","))
                raise UserError(f'config.{key}={name!r} is one name: write "({listed})" for several')


def _check_complete(config: ConfigDict) -> None:
    start = "a config file's get_config() must start from jaxgen.settings.default.get_config() and return it"
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config: get_config() returned {type(config).__name__}: {start}")
    missing = sorted(set(flatten(to_dict(default.get_config()))) - set(flatten(to_dict(config))))
    if missing:
        raise UserError(f"config.{missing[0]} is missing ({len(missing)} key(s) in all): {start}")


def check_parts(config: ConfigDict) -> None:
    """Refuses a batch that gradient accumulation cannot divide into equal parts."""
    if config.batch_size % config.grad_accum_steps:
        raise UserError(
            f"config.batch_size={config.batch_size} does not divide into config.grad_accum_steps="
            f"{config.grad_accum_steps} parts"
        )


def check_devices(config: ConfigDict, devices: int) -> None:
    """Refuses a batch whose parts do not divide over the devices."""
    parts, unit = config.grad_accum_steps, config.grad_accum_steps * devices
    if config.batch_size % unit:
        in_parts = f" in config.grad_accum_steps={parts} parts" if parts > 1 else ""
        below = config.batch_size // unit * unit
        fitting = f"{below} or {below + unit}" if below else f"{unit}"
        raise UserError(
            f"config.batch_size={config.batch_size}{in_parts} does not divide over {devices} devices: use {fitting}, "
            "or another number of devices (config.num_devices)"
        )


def check_packs(config: ConfigDict, pack: int) -> None:
    """Refuses a part that does not give each device whole packs of rows."""
    rows, devices = config.batch_size // config.grad_accum_steps, max(config.num_devices, 1)
    if rows % (pack * devices):
        raise UserError(
            f"config.model.pack={pack} does not divide the {rows} rows of a batch (or of a part of it) on {devices} "
            "device(s). Change config.batch_size"
        )


def check_groups(config: ConfigDict) -> None:
    """Refuses groups of minibatch standard deviation that do not divide a part into groups of one size."""
    part = config.batch_size // config.grad_accum_steps
    group = min(config.model.stddev_group, part)
    if group >= 1 and part % group:
        fitting = max(size for size in range(1, group) if part % size == 0)
        raise UserError(
            f"config.model.stddev_group={config.model.stddev_group} does not divide the {part} images of a "
            f"part (config.batch_size={config.batch_size} in config.grad_accum_steps={config.grad_accum_steps}): "
            f"use stddev_group={fitting}, or batch_size={config.grad_accum_steps * group * -(-part // group)}"
        )


def check_path_lengths(config: ConfigDict, shrink: int, devices: int) -> None:
    """Refuses a part that does not give each of several devices a multiple of `shrink` (`Recipe.part_multiple`)."""
    examples = config.batch_size // config.grad_accum_steps // devices
    if devices > 1 and examples % shrink:
        raise UserError(
            f"config.batch_size={config.batch_size} gives each of {devices} devices {examples} example(s) of a part. "
            f"config.recipe.path_length_shrink={shrink} does not divide them. Use a batch_size of "
            f"{config.grad_accum_steps * devices * shrink} or a multiple of it"
        )
