"""Checks of a config before anything is built from it, and comparison of two."""

import json
from typing import Any

from jaxgen.errors import UserError

# Keys that may differ between a run and its resumption: they change what is shown or kept, not what is learnt.
_FREE = (
    "evaluation.",
    "sample.",
    "keep_checkpoints",
    "compilation_cache",
    "histogram_every",
    "num_devices",
    "data.dir",
    "data.cache_dir",
    "data.download",
)
_CADENCES = ("log_every", "sample_every", "checkpoint_every", "eval_every", "histogram_every")


def to_dict(config) -> dict[str, Any]:
    """The config as plain JSON types (tuples become lists)."""
    return json.loads(config.to_json())


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"data": {"name": "mnist"}}` -> `{"data.name": "mnist"}`."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ so that the two are not the same training: key -> (old, new).

    `steps` may grow where every learning rate is constant, since then the longer run passes through the shorter one.
    """
    old, new = flatten(old), flatten(new)
    schedules = [value for key, value in new.items() if key.endswith(".schedule")]
    free = _FREE + (("steps",) if all(s == "constant" for s in schedules) else ())
    different = {}
    for key in sorted(set(old) | set(new)):
        if old.get(key) == new.get(key) or any(key == f or (f.endswith(".") and key.startswith(f)) for f in free):
            continue
        different[key] = (old.get(key), new.get(key))
    if "steps" not in different and new.get("steps", 0) < old.get("steps", 0):
        different["steps"] = (old["steps"], new["steps"])
    return different


def check(config) -> None:
    """Refuses numbers that cannot be a run.

    Raises:
      UserError: one line with the key, its value and the mend.
    """
    for key in ("steps", "batch_size", "grad_accum_steps", "steps_per_dispatch", "keep_checkpoints"):
        if config[key] < 1:
            raise UserError(f"config.{key}={config[key]}: it must be at least 1")
    for key in (*_CADENCES, "num_devices"):
        if config[key] < 0:
            raise UserError(f"config.{key}={config[key]}: it must be 0 (never) or more")
    if not config.log_every:
        raise UserError("config.log_every=0: it must be at least 1 (a run without metrics.jsonl cannot be read later)")
    per_dispatch = config.steps_per_dispatch
    for key in ("steps", *_CADENCES):
        if config[key] % per_dispatch:
            near = max(per_dispatch, round(config[key] / per_dispatch) * per_dispatch)
            raise UserError(
                f"config.{key}={config[key]} is no multiple of config.steps_per_dispatch={per_dispatch}: "
                f"use {near}, or change steps_per_dispatch"
            )
    if config.batch_size % config.grad_accum_steps:
        raise UserError(
            f"config.batch_size={config.batch_size} does not divide into config.grad_accum_steps="
            f"{config.grad_accum_steps} parts"
        )
    if config.eval_every and config.checkpoint_every and config.eval_every % config.checkpoint_every:
        raise UserError(
            f"config.eval_every={config.eval_every} is no multiple of config.checkpoint_every="
            f"{config.checkpoint_every}: what is evaluated is also kept"
        )
    if config.best_metric and not config.eval_every:
        raise UserError(f"config.best_metric={config.best_metric!r} needs config.eval_every > 0")
    if config.compute_dtype not in ("float32", "bfloat16"):
        raise UserError(f"config.compute_dtype={config.compute_dtype!r}: choices: float32, bfloat16")
    if not 0 <= config.recipe.ema_decay < 1:
        raise UserError(f"config.recipe.ema_decay={config.recipe.ema_decay}: it must be in [0, 1); 0 is none")
