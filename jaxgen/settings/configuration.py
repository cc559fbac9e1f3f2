"""Converts configs to plain types and back, compares two configs, and says when a budget of seconds is spent."""

import json
import math
from typing import Any

from ml_collections import ConfigDict

from jaxgen.settings import default, paths

# Keys that may differ between a run and its resumption: they change what is shown or kept, not what is learnt.
_FREE = (
    "evaluation.",
    "project.",
    "sample.",
    "keep_checkpoints",
    "compilation_cache",
    "sample_every",
    "checkpoint_every",
    "eval_every",
    "histogram_every",
    "trackers",
    "report",
    "alarms.",
    "num_devices",
    "seed_devices",
    "seed_program",
    "data.dir",
    "data.cache_dir",
    "data.download",
    # How a diffusion model's samples are made of what it has learned.
    "recipe.sampler",
    "recipe.sampling_steps",
    "recipe.likelihood_steps",
    "recipe.guidance",
)
# Files tell seconds in milliseconds.
_ROUNDING = 1e-3
# Keys of the data that a network is made for.
_OF_NETWORK = ("data.image_size", "data.channels", "data.num_classes")


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """The config as plain JSON types (tuples become lists)."""
    return json.loads(config.to_json())


def from_dict(plain: dict[str, Any]) -> ConfigDict:
    """The locked config of a dict that `to_dict` made. Lists become tuples, and missing newer keys get defaults."""

    def restored(value):
        if isinstance(value, dict):
            return {key: restored(inner) for key, inner in value.items()}
        return tuple(map(restored, value)) if isinstance(value, list) else value

    return ConfigDict(restored(completed(plain))).lock()


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
    """A config of an earlier version, completed with the defaults of newer keys."""

    def merge(base: dict, over: dict) -> dict:
        nested = [key for key in base if isinstance(base[key], dict) and isinstance(over.get(key), dict)]
        return {**base, **over, **{key: merge(base[key], over[key]) for key in nested}}

    return merge(to_dict(default.get_config()), old)


def misfit(plain: object) -> str:
    """Why a value read from a file is no config, in words, or "". Keys without a default may hold anything."""

    def first(base: dict, over: object, prefix: str) -> str:
        if not isinstance(over, dict):
            return f"{prefix.rstrip('.')} is {json.dumps(over)[:50]} and no group of keys"
        for key in base.keys() & over.keys():
            default, value = base[key], over[key]
            if isinstance(default, dict):
                if reason := first(default, value, f"{prefix}{key}."):
                    return reason
            elif default is not None and not _is_like(default, value):
                return f"{prefix}{key} is {json.dumps(value)[:50]}, where a value like {json.dumps(default)} is due"
        return ""

    return "it holds no config" if plain is None else first(to_dict(default.get_config()), plain, "config.")


def _is_like(default: object, value: object) -> bool:
    """Whether a JSON value has the type of a key's default. A whole number serves as a real one."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys whose difference makes two trainings different: key -> (old, new).

    `budget.seconds` may grow. `steps` may grow if every learning rate is constant: the longer run then passes through
    the shorter run. Data of the right size may be added to a network that was converted without data.
    """
    old, new = flatten(old), flatten(new)
    if old.get("data.name") == "none":
        free_data = (key for key in new if key.startswith("data.") and key not in _OF_NETWORK)
        old |= {key: new[key] for key in free_data}
    schedules = [value for key, value in new.items() if key.endswith(".schedule")]
    free = _FREE + (("steps",) if all(s == "constant" for s in schedules) else ())
    different = {}
    for key in sorted(set(old) | set(new)):
        if key in paths.KEYS and paths.same(old.get(key), new.get(key)):
            continue
        if old.get(key) == new.get(key) or any(key == f or (f.endswith(".") and key.startswith(f)) for f in free):
            continue
        different[key] = (old.get(key), new.get(key))
    if "steps" not in different and new.get("steps", 0) < old.get("steps", 0):
        different["steps"] = (old["steps"], new["steps"])
    if "budget.seconds" in different and _is_longer(new["budget.seconds"], old["budget.seconds"]):
        del different["budget.seconds"]
    return different


def longer(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new values of `steps` and `budget.seconds`, as far as they make the run longer than before.

    Args:
      old, new: whole configs without `differences`.
    """
    old, new = flatten(old), flatten(new)
    grown = {"steps": new["steps"]} if new["steps"] > old["steps"] else {}
    if _is_longer(new["budget.seconds"], old["budget.seconds"]):
        grown["budget.seconds"] = new["budget.seconds"]
    return grown


def _is_longer(seconds: float, before: float) -> bool:
    """Whether one `budget.seconds` ends a run later than another; 0 never does."""
    return bool(before) and (not seconds or seconds > before)


def is_budget_spent(budget: float, seconds: float, step: int, steps_per_dispatch: int, under_way: int = 0) -> bool:
    """Whether a run ends here: half of another dispatch would exceed the budget.

    Args:
      budget: seconds of training steps, 0 for no budget.
      seconds: training seconds so far.
      step: number of steps so far.
      steps_per_dispatch: steps of one dispatch.
      under_way: steps whose time is not yet in `seconds`. They are assumed to take as long as earlier steps.
    """
    if not budget or not step:
        return False
    done = step - under_way
    expected = (seconds + _ROUNDING) * (step + steps_per_dispatch / 2) / done if done else math.inf
    return expected >= budget
