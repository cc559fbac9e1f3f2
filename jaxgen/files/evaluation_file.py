"""Reads and writes the evaluation.json of a work directory. Earlier evaluations are kept beside it."""

import functools
import itertools
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from jaxgen.files import workdir
from jaxgen.settings import configuration, json_file

log = logging.getLogger(__name__)


def read(folder: Path) -> dict[str, Any] | None:
    """The contents of evaluation.json with missing config keys filled in. None without the file.

    None, too, for a damaged file or one that was written by hand or by an older version. A damaged file gets a warning.
    """
    path = folder / "evaluation.json"
    try:
        return _whole(path)
    except FileNotFoundError:
        return None
    except json_file.Damaged as damage:
        _warn(path, str(damage))
        return None


def _whole(path: Path) -> dict[str, Any] | None:
    """What `read` says, of an evaluation of any name."""
    written = json_file.read_object(path)
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


def write(folder: Path, contents: dict[str, Any]) -> None:
    """Writes evaluation.json. An earlier one of another step or of other settings is kept under another name.

    Raises:
      UserError: nothing can be written there.
    """
    path = folder / "evaluation.json"
    before = evaluated(folder)
    if before is not None and _subject(before) != _subject(contents["_run"]):
        kept = _name_aside(folder, before)
        with workdir.atomic(kept) as file, path.open("rb") as earlier:
            shutil.copyfileobj(earlier, file)
        log.info("the earlier evaluation, of another step or other settings, is kept as %s", kept.name)
    workdir.write_atomic(path, json.dumps(contents, indent=1) + "\n")


def set_aside(folder: Path) -> None:
    """Renames evaluation.json by its step when training continues. Launchers take the file for the end of a run."""
    path = folder / "evaluation.json"
    if not path.exists():
        return
    aside = _name_aside(folder, evaluated(folder))
    path.replace(aside)
    log.info("%s is of an earlier step: now %s", path, aside.name)


def _subject(run: dict[str, Any]) -> tuple:
    """What was evaluated, and how: two evaluations that agree in it have the same numbers."""
    config = configuration.completed(run["config"])
    return run["step"], *(config[group] for group in ("model", "recipe", "evaluation"))


def _name_aside(folder: Path, run: dict[str, Any] | None) -> Path:
    """`evaluation_step_<n>.json`, with a further number if an evaluation of other settings has that name."""
    if run is None:
        return folder / "evaluation_step_unknown.json"
    stem = f"evaluation_step_{run['step']}"
    further = (f"{stem}_{number}.json" for number in itertools.count(2))
    paths = (folder / name for name in itertools.chain((f"{stem}.json",), further))
    return next(path for path in paths if _is_free(path, run))


def _is_free(path: Path, run: dict[str, Any]) -> bool:
    """Whether no other evaluation has this name."""
    try:
        there = _whole(path)
    except FileNotFoundError:
        return True
    except json_file.Damaged:
        return False
    return there is not None and _subject(there["_run"]) == _subject(run)
