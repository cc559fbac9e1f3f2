"""Every rule of what divides a batch: parts, devices, packs of rows, groups of images, path lengths.

A step takes `batch_size` examples in `grad_accum_steps` parts, one after the other; each part is spread over devices.
"""

from ml_collections import ConfigDict

from jaxgen.errors import UserError


def check_parts(config: ConfigDict) -> None:
    """Refuses a batch that gradient accumulation does not divide into parts of one size."""
    if config.batch_size % config.grad_accum_steps:
        raise UserError(
            f"config.batch_size={config.batch_size} does not divide into config.grad_accum_steps="
            f"{config.grad_accum_steps} parts"
        )


def check_devices(config: ConfigDict, devices: int) -> None:
    """Refuses a batch whose parts do not divide over the devices that share it."""
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
    """Refuses a part that is not made of whole packs of rows on each device."""
    rows, devices = config.batch_size // config.grad_accum_steps, max(config.num_devices, 1)
    if rows % (pack * devices):
        raise UserError(
            f"config.model.pack={pack}: {rows} rows of a batch (or of a part of it) on {devices} device(s) are not so "
            "many whole packs: change config.batch_size"
        )


def check_groups(config: ConfigDict) -> None:
    """Refuses groups of minibatch standard deviation that do not divide a part: all must be of the same size."""
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
    """Refuses a part of which each of several devices has no multiple of `shrink` (`Recipe.part_multiple`)."""
    examples = config.batch_size // config.grad_accum_steps // devices
    if devices > 1 and examples % shrink:
        raise UserError(
            f"config.batch_size={config.batch_size} gives each of {devices} devices {examples} example(s) of a part, "
            f"which config.recipe.path_length_shrink={shrink} does not divide: use a batch_size of "
            f"{config.grad_accum_steps * devices * shrink} or a multiple of it"
        )
