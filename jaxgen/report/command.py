"""The command that makes a run again."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgen.report.run import Run
from jaxgen.settings import configuration

# Where things lay on the machine of the run, and what it did beside training.
_PLACES = ("data.dir", "data.cache_dir", "compilation_cache")


def changes(run: Run) -> dict[str, tuple[Any, Any]]:
    """Keys of the config that are not at their defaults: key -> (default, the run's)."""
    usual = _defaults()
    mine = configuration.flatten(run.config)
    return {key: (usual.get(key), value) for key, value in mine.items() if usual.get(key) != value}


def own_keys(run: Run) -> list[str]:
    """Keys that the defaults lack: a command line can set none that its config file does not have."""
    return sorted(configuration.flatten(run.config).keys() - _defaults().keys())


def _defaults() -> dict[str, Any]:
    from jaxgen.settings import default

    return configuration.flatten(configuration.to_dict(default.get_config()))


def reproduce(run: Run) -> str:
    """A shell command to this run: from the defaults, whatever file its config came from.

    Where it has keys that the defaults lack, from the config that its work directory keeps.
    """
    source, other = "default", {key: value for key, (_, value) in changes(run).items()}
    if own_keys(run) and (folder := kept_in(run)) is not None:
        told = json.loads((folder / "config.json").read_text())["config"]
        kept = configuration.flatten(configuration.completed(told))
        # Where the run was evaluated anew, or is one of several seeds of the folder.
        other = {key: value for key, value in configuration.flatten(run.config).items() if kept.get(key) != value}
        source = str(folder)
    parts = [
        f"python -m jaxgen.main --config {shlex.quote(source)}",
        f"--workdir {shlex.quote(f'runs/{_name(run)}_again')}",
    ]
    parts += [shlex.quote(f"--config.{key}={_value(value)}") for key, value in other.items()]
    return " \\\n  ".join(parts)


def kept_in(run: Run) -> Path | None:
    """The folder whose config.json has the run's config: its own, or the one of all seeds; None where it is lost."""
    places = [folder for folder in (run.folder, run.folder.parent) if (folder / "config.json").is_file()]
    return places[0] if places else None


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
