"""What `--mode` does with a study: trains what is not done and reports, or evaluates all runs again and reports."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.study import files
from jaxgen.study.child import COMMAND
from jaxgen.study.conductor import Conductor
from jaxgen.study.definition import Study
from jaxgen.study.record import Record

_MODES = ("train", "evaluate")


def run(study: Study, folder: Path, mode: str, checkpoint: str, command: Sequence[str] = COMMAND) -> None:
    """Does `mode` with the study in `folder`.

    Args:
      study: as the config describes it.
      folder: work directory of the study.
      mode: train or evaluate.
      checkpoint: that is evaluated again: latest, best or a step.
      command: the program that does a run, given its arguments.

    Raises:
      UserError: the study cannot be started, or runs of it failed.
    """
    if mode not in _MODES:
        raise UserError(
            f"--mode={mode} is for single runs, and {study.name} is a study ({' and '.join(_MODES)}): "
            f"name one of its runs, such as --workdir={folder / study.entries[0].runs[0].workdir}"
        )
    with workdir.lock(folder):
        record = Record(folder, study)
        _refuse_changed(study, folder)
        Conductor(study, folder, record, command).conduct(mode, checkpoint)


def _refuse_changed(study: Study, folder: Path) -> None:
    """Nothing is run while an entry no longer is what its runs were made with; those named in redo are cleared."""
    changed = {}
    for entry in study.entries:
        reasons = [reason for one in entry.runs if (reason := files.difference(folder / one.workdir, one.config))]
        lanes = len(entry.runs[0].seeds) > 1
        if (folder / "runs" / entry.name / "config.json").exists() != lanes and _begun(folder, entry.name):
            reasons.append(f"config.lanes: {not lanes} there, {lanes} now")
        if reasons:
            changed[entry.name] = reasons[0]
    refused = [name for name in changed if name not in study.redo]
    if refused:
        more = f" (and so have {', '.join(refused[1:])})" if refused[1:] else ""
        raise UserError(
            f"the entry {refused[0]!r} has changed since its runs in {folder / 'runs' / refused[0]} were made: "
            f"{changed[refused[0]]}{more}. Change it back, give it another name, or have its runs deleted and done "
            f"anew: --config.redo={','.join(refused)}"
        )
    for name in changed:
        for one in [folder / "runs" / name, *(folder / "runs" / name).glob("seed_*")]:
            if workdir.holder(one):
                raise UserError(f"{one} is in use by process {workdir.holder(one)}: it cannot be done anew now")
        shutil.rmtree(folder / "runs" / name)


def _begun(folder: Path, name: str) -> bool:
    """Whether the entry has a run, of either kind."""
    return any((folder / "runs" / name).glob("**/config.json"))
