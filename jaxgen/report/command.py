"""The command that makes a run again."""

import shlex
from collections.abc import Mapping
from typing import Any

from jaxgen import configuration
from jaxgen.report.run import Run

# Where things lay on the machine of the run, and what it did beside training.
_PLACES = ("data.dir", "data.cache_dir", "compilation_cache")


def changes(run: Run) -> dict[str, tuple[Any, Any]]:
    """Keys of the config that are not at their defaults: key -> (default, the run's)."""
    from configs import default

    usual = configuration.flatten(configuration.to_dict(default.get_config()))
    mine = configuration.flatten(run.config)
    return {key: (usual.get(key), value) for key, value in mine.items() if usual.get(key) != value}


def reproduce(run: Run) -> str:
    """A shell command from the defaults to this run, whatever file its config came from."""
    parts = [
        "python -m jaxgen.main --config configs/default.py",
        f"--workdir {shlex.quote(f'runs/{_name(run)}_again')}",
    ]
    parts += [shlex.quote(f"--config.{key}={_value(value)}") for key, (_, value) in changes(run).items()]
    return " \\\n  ".join(parts)


def _name(run: Run) -> str:
    return "_".join(run.place.split("/")[-2:]).strip("_") or "run"


def _value(value: Any) -> str:
    """As the command line takes it."""
    if isinstance(value, list):
        return f"({', '.join(map(repr, value))}{',' if len(value) == 1 else ''})"
    return str(value)


def places(config: Mapping[str, Any]) -> list[str]:
    """Keys whose values are paths of the machine that the run was on."""
    flat = configuration.flatten(dict(config))
    return [key for key in _PLACES if str(flat.get(key, "")).startswith(("/", "~", ".."))]
