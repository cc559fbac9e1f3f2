"""Checks that a run and its checkpoint are there, by the names of files alone."""

from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files import command_line, workdir
from jaxgen.runs import restoring
from jaxgen.settings import run_config
from jaxgen.training.lanes import container_of


def check(folder: Path, which: str) -> None:
    """Refuses a folder without the checkpoint `which`: latest, best, or the number of a step.

    Raises:
      UserError: no such checkpoint, or no run.
    """
    command_line.check_checkpoint(which)
    place = container_of(folder) or folder
    steps = sorted(workdir.checkpoint_steps(place))
    if not steps:
        raise UserError(f"{place / 'checkpoints'} holds no checkpoint. Train first (--mode=train)")
    if which == "best" and not run_config.read(place).best_metric:
        raise UserError(
            "--checkpoint=best: no checkpoint was ranked. Train with config.best_metric and config.eval_every"
        )
    if which not in ("latest", "best") and int(which) not in steps:
        raise UserError(f"{place / 'checkpoints'}: no checkpoint of step {which}. There are {steps}")


def check_one_seed(folder: Path, which: str, prefix: str = "") -> None:
    """`check` for a folder that must hold a run of one seed.

    Args:
      prefix: prefix of the folder in error lines, such as "--real=run:".

    Raises:
      UserError: no run, several seeds without a choice, or no such checkpoint.
    """
    restoring.config_of_one_seed(folder, prefix)
    check(folder, which)
