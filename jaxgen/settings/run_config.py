"""Reads the config of an existing run: `--config DIR` may name a work directory in place of a config file.

ml_collections loads this file as a config file, with the directory as the argument of `get_config`.
"""

import os
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxgen.errors import UserError
from jaxgen.settings import config_errors, configuration, experiments, json_file, paths

_SHOWN = 5


def get_config(folder: str) -> ConfigDict:
    """The config of the run in `folder`."""
    return read(Path(folder))


def read(folder: Path) -> ConfigDict:
    """The locked config of a work directory. Keys newer than the run get their defaults.

    Raises:
      UserError: no run there, or an unreadable config.
    """
    return configuration.from_dict(contents(folder)["config"])


def contents(folder: Path) -> dict[str, Any]:
    """The contents of config.json as they were written. Its config is of the right types.

    Raises:
      UserError: no run there, or a damaged config.json.
    """
    path = folder / "config.json"
    try:
        written = json_file.read_object(path)
        reason = configuration.misfit(written.get("config"))
    except FileNotFoundError:
        raise UserError(what_is_missing(folder)) from None
    except json_file.Damaged as damage:
        reason = str(damage)
    if reason:
        raise UserError(
            f"{path} is unreadable: {reason}. Bring it back from a copy. Or move it away and train with the run's own "
            "--config: its checkpoints are found again"
        )
    return written


def what_is_missing(folder: Path) -> str:
    """Why a folder without config.json is no work directory, in words. Runs in folders of it are named."""
    if not folder.is_dir():
        return f"no run there ({'it is a file' if folder.exists() else 'there is no such folder'})"
    runs = sorted(path.parent.name for path in folder.glob("*/config.json"))
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    below = f", but the runs {', '.join(runs[:_SHOWN])}{more}" if runs else ""
    return f"no run there (no config.json{below})"


def as_config_file(name: str) -> str:
    """The name that ml_collections gets for `--config NAME`.

    Args:
      name: a work directory or its config.json, a config file, or an experiment of jaxgen. A file and an experiment
        may carry an argument after a colon.

    Raises:
      UserError: `name` is nothing of the kind.
    """
    name = paths.resolved(name, "--config")
    path = Path(name)
    folder = path.parent if path.name == "config.json" else path
    if os.path.lexists(folder / "config.json"):
        return config_file_of(folder)
    stem, colon, argument = name.partition(":")
    return f"{experiments.find(stem)}{colon}{argument}"


def config_file_of(folder: str | Path) -> str:
    """The name that ml_collections gets for the config of a run."""
    return f"{__file__}:{Path(folder).expanduser()}"


def folder_of(config_file: str) -> Path | None:
    """The work directory in a result of `as_config_file`, or None for a file."""
    file, _, folder = config_file.partition(":")
    return Path(folder) if file == __file__ else None


def load(name: str, overrides: list[str]) -> ConfigDict:
    """The config of a file or a work directory with `--config.key=value` applied, locked.

    Raises:
      UserError: no such file, or a mistake in the file or in an override.
    """
    path = as_config_file(name)
    argv = ["jaxgen", f"--config={path}", *overrides]
    values = flags.FlagValues()
    holder = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv, lock_config=True)
    try:
        values(argv)
        getattr(holder.value, "keys", None)  # raises what went wrong in the file, if the parser kept it to itself
    except Exception as error:
        file = None if folder_of(path) else path
        raise UserError(config_errors.describe_error(error, file, argv)) from error
    return holder.value
