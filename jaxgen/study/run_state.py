"""What a run's work directory tells about how far it is: the files decide, whatever study.json notes."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.files.evaluation_file import evaluated, is_current
from jaxgen.settings import budget


def is_finished(folder: Path, config: ConfigDict) -> bool:
    """Whether a run was trained to its end and evaluated with the settings of `config`."""
    run = evaluated(folder)
    if run is None or not is_current(folder, config):
        return False
    step, spent = run["step"], (run.get("timing") or {}).get("step_seconds", 0.0)
    return step >= config.steps or budget.is_spent(config.budget.seconds, spent, step, config.steps_per_dispatch)


def newest_step(folder: Path) -> int | None:
    """The step of the newest finished checkpoint, or None."""
    steps = [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]
    return max(steps, default=None)


def difference(folder: Path, config: ConfigDict) -> str:
    """Why what was trained in `folder` is not a run of `config` (or the beginning of one), "" if it is."""
    if not (folder / "config.json").exists():
        return ""
    try:
        return workdir.difference(workdir.read(folder)["config"], config)
    except UserError as error:
        return str(error)
