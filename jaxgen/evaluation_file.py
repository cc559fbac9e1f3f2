"""What the evaluation.json of a work directory was made with."""

import json
from pathlib import Path

from jaxgen import configuration


def evaluated(folder: Path) -> dict | None:
    """`_run` of evaluation.json with its config's missing keys filled in, or None."""
    try:
        run = json.loads((folder / "evaluation.json").read_text())["_run"]
        return {**run, "step": int(run["step"]), "config": configuration.completed(run["config"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or one that was written by hand or by an older version: evaluated again


def is_current(folder: Path, config) -> bool:
    """Whether evaluation.json was written with the evaluation settings of `config`."""
    run = evaluated(folder)
    return run is not None and run["config"]["evaluation"] == configuration.to_dict(config)["evaluation"]
