"""Reads the settings behind the evaluation.json of a work directory."""

import json
import logging
from pathlib import Path

from jaxgen.settings import configuration

log = logging.getLogger(__name__)


def evaluated(folder: Path) -> dict | None:
    """`_run` of evaluation.json with missing config keys filled in, or None."""
    try:
        run = json.loads((folder / "evaluation.json").read_text())["_run"]
        return {**run, "step": int(run["step"]), "config": configuration.completed(run["config"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or one that was written by hand or by an older version: evaluated again


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
    step, spent = run["step"], (run.get("timing") or {}).get("step_seconds", 0.0)
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
