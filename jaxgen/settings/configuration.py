"""Checks of a config before anything is built from it, and comparison of two."""

import difflib
import json
import math
import re
import traceback
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import number_ranges

# Keys that may differ between a run and its resumption: they change what is shown or kept, not what is learnt.
_FREE = (
    "evaluation.",
    "project.",
    "sample.",
    "keep_checkpoints",
    "compilation_cache",
    "histogram_every",
    "alarms.",
    "num_devices",
    "seed_devices",
    "seed_program",
    "data.dir",
    "data.cache_dir",
    "data.download",
)
# Keys of the data that a network is made for.
_OF_NETWORK = ("data.image_size", "data.channels", "data.num_classes")
_CADENCES = ("log_every", "sample_every", "checkpoint_every", "eval_every", "histogram_every")


def to_dict(config) -> dict[str, Any]:
    """The config as plain JSON types (tuples become lists)."""
    return json.loads(config.to_json())


def from_dict(found: dict[str, Any]) -> ConfigDict:
    """The config that `to_dict` made plain, locked: lists are tuples again, keys newer than it at their defaults."""

    def restored(value):
        if isinstance(value, dict):
            return {key: restored(inner) for key, inner in value.items()}
        return tuple(map(restored, value)) if isinstance(value, list) else value

    return ConfigDict(restored(completed(found))).lock()


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"data": {"name": "mnist"}}` -> `{"data.name": "mnist"}`."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def completed(old: dict[str, Any]) -> dict[str, Any]:
    """A config that an earlier version wrote, with the keys that it did not have yet at their defaults."""
    from jaxgen.settings import default

    def merge(base: dict, over: dict) -> dict:
        nested = [key for key in base if isinstance(base[key], dict) and isinstance(over.get(key), dict)]
        return {**base, **over, **{key: merge(base[key], over[key]) for key in nested}}

    return merge(to_dict(default.get_config()), old)


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ so that the two are not the same training: key -> (old, new).

    `budget.seconds` may grow, and `steps` where every learning rate is constant, since then the longer run passes
    through the shorter one.
    A network that was converted without data can be given any of its size.
    """
    old, new = flatten(old), flatten(new)
    if old.get("data.name") == "none":
        free_data = (key for key in new if key.startswith("data.") and key not in _OF_NETWORK)
        old |= {key: new[key] for key in free_data}
    schedules = [value for key, value in new.items() if key.endswith(".schedule")]
    free = _FREE + (("steps",) if all(s == "constant" for s in schedules) else ())
    different = {}
    for key in sorted(set(old) | set(new)):
        if old.get(key) == new.get(key) or any(key == f or (f.endswith(".") and key.startswith(f)) for f in free):
            continue
        different[key] = (old.get(key), new.get(key))
    if "steps" not in different and new.get("steps", 0) < old.get("steps", 0):
        different["steps"] = (old["steps"], new["steps"])
    if "budget.seconds" in different and _is_longer(new["budget.seconds"], old["budget.seconds"]):
        del different["budget.seconds"]
    return different


def longer(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Of `steps` and `budget.seconds` those that let a run go on for longer than before, with their new values.

    Args:
      old, new: whole configs that `differences` finds alike.
    """
    old, new = flatten(old), flatten(new)
    grown = {"steps": new["steps"]} if new["steps"] > old["steps"] else {}
    if _is_longer(new["budget.seconds"], old["budget.seconds"]):
        grown["budget.seconds"] = new["budget.seconds"]
    return grown


def _is_longer(seconds: float, before: float) -> bool:
    """Whether one `budget.seconds` ends a run later than another; 0 never does."""
    return bool(before) and (not seconds or seconds > before)


def check(config) -> None:
    """Refuses numbers that cannot be a run.

    Raises:
      UserError: one line with the key, its value and the mend.
    """
    _check_complete(config)
    for key in ("steps", "batch_size", "grad_accum_steps", "steps_per_dispatch", "keep_checkpoints", "num_seeds"):
        if config[key] < 1:
            raise UserError(f"config.{key}={config[key]}: it must be at least 1")
    for key in (*_CADENCES, "num_devices", "seed_devices"):
        if config[key] < 0:
            raise UserError(f"config.{key}={config[key]}: it must be 0 (never) or more")
    _check_seeds(config)
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
    _check_budget(config)
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
    number_ranges.check(config)
    _check_metrics(config)


def _check_budget(config) -> None:
    seconds = config.budget.seconds
    if not (math.isfinite(seconds) and seconds >= 0):
        raise UserError(f"config.budget.seconds={seconds}: it must be 0 (no limit) or more")
    for name, optimizer in config.optimizers.items():
        if seconds and optimizer.schedule != "constant":
            raise UserError(
                f"config.budget.seconds={seconds:g} with config.optimizers.{name}.schedule={optimizer.schedule!r}: the "
                "schedule must know the last step; set config.steps alone, or a constant schedule"
            )


def _check_seeds(config) -> None:
    if config.seed_program not in ("auto", "vmap", "map"):
        raise UserError(f"config.seed_program={config.seed_program!r}: choices: auto, vmap, map")
    if config.seed_devices > 1 == config.num_seeds:
        raise UserError(f"config.seed_devices={config.seed_devices} spreads several seeds: set config.num_seeds too")
    if config.num_seeds > 1 and not 0 <= config.seed <= 2**32 - config.num_seeds:
        raise UserError(
            f"config.seed={config.seed} with config.num_seeds={config.num_seeds}: seeds lie between 0 and 2^32 - 1"
        )


def _check_metrics(config) -> None:
    chosen = config.evaluation.metrics_in_training
    if config.best_metric and chosen and config.best_metric not in chosen:
        raise UserError(
            f"config.best_metric={config.best_metric!r} is not measured in training: add it to "
            "config.evaluation.metrics_in_training"
        )
    for key in ("metrics", "metrics_in_training"):
        for name in config.evaluation[key]:
            if "," in name:
                listed = ",".join(f"'{part.strip()}'" for part in name.split(","))
                raise UserError(f'config.evaluation.{key}={name!r} is one name: write "({listed})" for several')


def _check_complete(config) -> None:
    from jaxgen.settings import default

    start = "a config file's get_config() must start from jaxgen.settings.default.get_config() and return it"
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config: get_config() returned {type(config).__name__}: {start}")
    missing = sorted(set(flatten(to_dict(default.get_config()))) - set(flatten(to_dict(config))))
    if missing:
        raise UserError(f"config.{missing[0]} is missing ({len(missing)} key(s) in all): {start}")


def describe_error(error: BaseException, path: str | None, argv: list[str]) -> str:
    """One line about what went wrong while the config was read: file and line, or the flag, and the nearest key.

    Args:
      error: what the parser raised; what it was raised from tells the place.
      path: the config file.
      argv: the command line, for the full name of an override; empty: the file alone was read.
    """
    chain = _chain(error)
    file = path and path.split(":")[0]
    key = next(filter(None, map(_misspelt_key, chain)), None)
    # What an experiment that this one builds on raised names its own file and line.
    cause = next((link for link in chain if isinstance(link, UserError)), chain[-1])
    if isinstance(cause, UserError):
        reason = _plain(cause)
    elif key:
        reason = f"unknown config key {key}"
    else:
        reason = f"{type(cause).__name__}: {cause.msg if isinstance(cause, SyntaxError) else _plain(cause)}"
    if isinstance(cause, AttributeError) and cause.name == "get_config":
        return f"{file}: it has no get_config()"
    if file and (line := _line_in(file, chain)):
        return f"{file}:{line}: {reason}"
    if key:
        name = key.split("'")[1]
        override = next(
            (a.partition("=")[0] for a in argv if name in a.partition("=")[0].split(".")[1:]), f"config.{name}"
        )
        return f"{override}: unknown config key {key}"
    if isinstance(error, flags.Error):
        # The parser puts the whole traceback into the message if get_config itself cannot be called.
        return f"--config={path}: {reason}" if "Traceback" in str(error) else _plain(error)
    return _plain(error) if _plain(error).startswith("--") else f"{'config' if argv else file}: {_plain(error)}"


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from or while handling."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _plain(error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split())


def _misspelt_key(error: BaseException) -> str | None:
    """`'stepz'; did you mean 'steps'?` of ml_collections' errors for a key that a config does not have."""
    if not isinstance(error, KeyError | AttributeError):
        return None
    text = _plain(error)
    if found := re.search(r'Did you mean "(.+?)" instead of "(.+?)"', text):
        return f"{found[2]!r}: did you mean {found[1]!r}?"
    if found := re.fullmatch(r"'(\w+)'|(\w+)", text):  # an override that resembles no key
        return f"{found[1] or found[2]!r}: jaxgen/settings/default.py lists all"
    if found := re.search(r'Key "(.+?)" does not exist.*Other fields present: "\{(.*)', text):
        near = difflib.get_close_matches(found[1], re.findall(r"'(\w+)':", found[2]), n=1)
        return f"{found[1]!r}: " + (f"did you mean {near[0]!r}?" if near else "jaxgen/settings/default.py lists all")
    return None


def _line_in(path: str, chain: list[BaseException]) -> int | None:
    """The line of the file at `path` where the errors come from, or None if it was not at work."""
    for error in chain:
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename).name == Path(path).name:
            return error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).absolute() == Path(path).absolute()]
        if lines:
            return lines[-1]
    return None
