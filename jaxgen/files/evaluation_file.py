"""Reads the settings behind the evaluation.json of a work directory."""

import functools
import logging
from pathlib import Path
from typing import Any

from jaxgen.settings import configuration, json_file

log = logging.getLogger(__name__)


def read(folder: Path) -> dict[str, Any] | None:
    """The contents of evaluation.json with missing config keys filled in. None without the file.

    None, too, for a damaged file or one that was written by hand or by an older version. A damaged file gets a warning.
    """
    path = folder / "evaluation.json"
    try:
        written = json_file.read_object(path)
    except FileNotFoundError:
        return None
    except json_file.Damaged as damage:
        _warn(path, str(damage))
        return None
    run, results = written.get("_run"), [value for key, value in written.items() if not key.startswith("_")]
    whole = isinstance(run, dict) and not configuration.misfit(run.get("config")) and type(run.get("step")) is int
    if not whole or not all(
        isinstance(r, dict) and isinstance(r.get("value", ""), int | float | None) for r in results
    ):
        return None
    return {**written, "_run": {**run, "config": configuration.completed(run["config"])}}


@functools.cache
def _warn(path: Path, damage: str) -> None:
    """Says it once, however often a study looks."""
    log.warning("%s is unreadable: %s. The checkpoint is evaluated again", path, damage)


def evaluated(folder: Path) -> dict[str, Any] | None:
    """`_run` of evaluation.json, or None. See `read`."""
    contents = read(folder)
    return None if contents is None else contents["_run"]


def is_current(folder: Path, config) -> bool:
    """Whether evaluation.json was written with the evaluation settings of `config`.

    The extractor "auto" agrees with any network, since the run itself settles which one it has.
    """
    run, wanted = evaluated(folder), configuration.to_dict(config)["evaluation"]
    if run is None:
        return False
    written = run["config"]["evaluation"]
    if wanted["extractor"] == "auto":
        wanted["extractor"] = written["extractor"]
    return written == wanted


def is_finished(folder: Path, config) -> bool:
    """Whether a run was trained to its end and evaluated with the settings of `config`."""
    run = evaluated(folder)
    if run is None or not is_current(folder, config):
        return False
    timing = run["timing"] if isinstance(run.get("timing"), dict) else {}
    step, spent = run["step"], timing.get("step_seconds", 0.0)
    if not isinstance(spent, int | float):
        return False
    limit, per_dispatch = config.budget.seconds, config.steps_per_dispatch
    return step >= config.steps or configuration.is_budget_spent(limit, spent, step, per_dispatch)


def set_aside(folder: Path) -> None:
    """Renames evaluation.json by its step when training continues. Launchers take the file for the end of a run."""
    path = folder / "evaluation.json"
    if not path.exists():
        return
    run = evaluated(folder)
    aside = folder / f"evaluation_step_{'unknown' if run is None else run['step']}.json"
    path.replace(aside)
    log.info("%s is of an earlier step: now %s", path, aside.name)
