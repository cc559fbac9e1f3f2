"""Runs the processes of a study, one or several at a time, and records their results."""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from jaxgen import report
from jaxgen.errors import UserError
from jaxgen.files import evaluation_file, workdir
from jaxgen.study.definition import PlannedRun, StudyPlan
from jaxgen.study.display import Display, clock, time_left
from jaxgen.study.run_process import COMMAND, RunProcess, StopRequest, inherited, shares
from jaxgen.study.study_file import DONE, FAILED, RUNNING, WAITING, StudyFile

_MODES = ("train", "evaluate")
_LOOK = 0.2  # seconds between two looks at the runs that are under way


def conduct(study: StudyPlan, folder: Path, mode: str, checkpoint: str, command: Sequence[str] = COMMAND) -> None:
    """Trains unfinished runs and reports, or evaluates all runs again and reports.

    Args:
      study: the study of a config.
      folder: work directory of the study.
      mode: train or evaluate.
      checkpoint: the checkpoint to evaluate again: latest, best or a step.
      command: the program that does a run, given its arguments.

    Raises:
      UserError: the study cannot be started, or runs failed. The other runs are done then, and the report is written.
    """
    if mode not in _MODES:
        raise UserError(
            f"--mode={mode} is for single runs, but {study.name} is a study ({' and '.join(_MODES)}). "
            f"Name one of its runs, such as --workdir={folder / study.entries[0].runs[0].workdir}"
        )
    with workdir.lock(folder):
        study_file = StudyFile(folder, study)
        _refuse_changed(study, folder)
        _Conductor(study, folder, study_file, command, mode, checkpoint).conduct()


def _refuse_changed(study: StudyPlan, folder: Path) -> None:
    """Refuses to run if an entry differs from the settings of its runs. Entries named in redo are cleared."""
    changed = {}
    for entry in study.entries:
        reasons = [reason for run in entry.runs if (reason := _difference(folder / run.workdir, run.config))]
        lanes, place = len(entry.runs[0].seeds) > 1, folder / "runs" / entry.name
        if (place / "config.json").exists() != lanes and any(place.glob("**/config.json")):
            reasons.append(f"config.lanes: {not lanes} there and {lanes} now")
        if reasons:
            changed[entry.name] = reasons[0]
    refused = [name for name in changed if name not in study.redo]
    if refused:
        more = f" (and so have {', '.join(refused[1:])})" if refused[1:] else ""
        raise UserError(
            f"the entry {refused[0]!r} has changed since its runs in {folder / 'runs' / refused[0]} were made: "
            f"{changed[refused[0]]}{more}. Change it back, give it another name, or delete its runs and do them "
            f"again: --config.redo={','.join(refused)}"
        )
    for name in changed:
        for place in [folder / "runs" / name, *(folder / "runs" / name).glob("seed_*")]:
            if workdir.holder(place):
                raise UserError(f"{place} is in use by process {workdir.holder(place)}. It cannot be done again now")
        shutil.rmtree(folder / "runs" / name)


def _difference(folder: Path, config: ConfigDict) -> str:
    """The reason why the training in `folder` is no run of `config` (or the beginning of one), else ""."""
    if not os.path.lexists(folder / "config.json"):
        return ""
    try:
        return workdir.difference(workdir.read(folder)["config"], config)
    except UserError as error:
        return str(error)


class _RunUnderWay(NamedTuple):
    """A run in progress: its cores, its start (by the monotonic clock), and its earlier record."""

    run: PlannedRun
    process: RunProcess
    cores: set[int] | None
    begun: float
    seconds: float
    status: str


class _Conductor:
    """Does the remaining runs of a study in its folder and then writes its report. Arguments as for `conduct`."""

    def __init__(
        self, study: StudyPlan, folder: Path, study_file: StudyFile, command: Sequence[str], mode: str, checkpoint: str
    ):
        self._study, self._folder, self._file, self._command = study, folder, study_file, command
        self._mode, self._checkpoint = mode, checkpoint
        self._stop = StopRequest()
        self._runs = study.runs()
        self._display = Display(len(self._runs))
        self._free, self._fewer = shares(study.runs_at_once)
        self._at_once = len(self._free)

    def conduct(self) -> None:
        """Trains or evaluates unfinished runs, and raises the UserError that names the failed runs."""
        for run in self._runs:
            kept = self._file.of(run)
            status = DONE if self._finished(run) else WAITING if kept["status"] in (DONE, RUNNING) else kept["status"]
            self._file.note(run, status=status, message="" if status == DONE else kept["message"])
        for entry in self._file.left:
            self._display.say(f"{entry['name']} is no longer in the study. Its runs stay where they are")
        not_done = [run for run in self._runs if self._file.of(run)["status"] != DONE]
        todo = not_done if self._mode == "train" else self._to_evaluate()
        self._file.write()
        again = sum(self._file.of(run)["status"] == FAILED for run in todo)
        entries, runs = len(self._study.entries), len(self._runs)
        self._display.say(
            f"{self._study.name}: {entries} entries, {runs} runs, {len(todo)} to {self._mode}"
            + (f", {again} of them failed before" if again else "")
            + (f". {self._at_once} at a time, each on its own cores" if self._at_once > 1 else "")
        )
        if self._fewer:
            self._display.say(f"runs at a time: {self._at_once}, not {self._study.runs_at_once}. Reason: {self._fewer}")
        with self._stop.listening():
            failed = self._do_all(todo)
        if self._stop.asked:
            left = sum(self._file.of(run)["status"] != DONE for run in self._runs)
            self._display.say(f"stopped with {left} of {len(self._runs)} runs left. The same command continues")
            return
        self._display.say("writing the report ...")
        self._display.say(f"report: {report.build([self._folder], self._folder / 'report')}")
        if failed:
            run, trouble = failed[0]
            more = f", and {', '.join(other.label for other, _ in failed[1:])}" if failed[1:] else ""
            raise UserError(
                f"{len(failed)} of {len(self._runs)} runs failed. {run.label}: {trouble}{more} "
                f"(all in {self._folder / 'study.json'}). The same command tries them again"
            )

    def _at(self, run: PlannedRun) -> Path:
        return self._folder / run.workdir

    def _finished(self, run: PlannedRun) -> bool:
        return evaluation_file.is_finished(self._at(run), run.config)

    def _succeeded(self, run: PlannedRun) -> bool:
        """Whether the requested work on a run is done."""
        of_mode = evaluation_file.is_finished if self._mode == "train" else evaluation_file.is_current
        return of_mode(self._at(run), run.config)

    def _to_evaluate(self) -> list[PlannedRun]:
        """Runs that have a checkpoint which was not evaluated with these settings."""
        todo = []
        for run in self._runs:
            steps, before = workdir.checkpoint_steps(self._at(run)), evaluation_file.evaluated(self._at(run))
            if not steps:
                self._display.say(f"{run.label}: not trained yet, nothing to evaluate")
            elif self._checkpoint != "latest" or not self._succeeded(run) or before["step"] != max(steps):
                todo.append(run)
        return todo

    def _do_all(self, todo: list[PlannedRun]) -> list[tuple[PlannedRun, str]]:
        """Starts a run on free cores until all are done. Returns failed runs with reasons, in their order."""
        waiting, active, failed = list(todo), [], {}
        with contextlib.ExitStack() as processes:
            while active or (waiting and not self._stop.asked):
                while waiting and self._free and not self._stop.asked:
                    left = time_left([each.run for each in active] + waiting, self._file)
                    left = None if left is None else left / self._at_once
                    if begun := self._begin(waiting.pop(0), left, processes):
                        active.append(begun)
                self._display.follow([(each.run, each.process.last_line) for each in active])
                for i, each in enumerate(list(active)):
                    if (code := each.process.wait(0 if i else _LOOK)) is not None:
                        active.remove(each)
                        if trouble := self._end(each, code):
                            failed[each.run.workdir] = (each.run, trouble)
        return [failed[run.workdir] for run in todo if run.workdir in failed]

    def _begin(self, run: PlannedRun, left: float | None, processes: contextlib.ExitStack) -> _RunUnderWay | None:
        """Starts a run's process; None where there is nothing to do any more."""
        noted = self._file.of(run)
        self._display.begin(self._runs.index(run) + 1, run, left)
        if (holder := workdir.holder(self._at(run))) and not self._stop.asked:  # what a killed study left
            self._display.say(f"{self._at(run)} is in use by process {holder}: waiting for it to end")
        while workdir.holder(self._at(run)) and not self._stop.asked:
            time.sleep(_LOOK)
        if self._stop.asked:
            return None
        if self._mode == "train" and self._finished(run):  # what a killed study left behind has ended by itself
            self._file.note(run, status=DONE, message="")
            self._file.write()
            self._display.end(run, "done")
            return None
        status = noted["status"]
        self._file.note(run, status=RUNNING, attempts=noted["attempts"] + 1, message="")
        self._file.write()
        log = self._folder / "logs" / f"{run.workdir.removeprefix('runs/').replace('/', '_')}.log"
        share = self._free.pop(0)
        evaluation = ["--mode=evaluate", f"--checkpoint={self._checkpoint}"] if self._mode == "evaluate" else []
        with inherited(share):
            process = RunProcess([*self._command, *run.arguments, f"--workdir={self._at(run)}", *evaluation], log)
        processes.enter_context(self._stop.passed_on_to(process))
        return _RunUnderWay(run, process, share, time.monotonic(), noted["seconds"], status)

    def _end(self, done: _RunUnderWay, code: int) -> str:
        """Notes what became of a run, and returns why it failed ("" if it did not)."""
        run, process, took = done.run, done.process, time.monotonic() - done.begun
        self._free.append(done.cores)
        self._file.note(run, exit_code=code, seconds=round(done.seconds + took, 3))
        trouble = ""
        if code == 0 and self._succeeded(run):
            self._file.note(run, status=DONE if self._finished(run) else done.status)
            self._display.end(run, f"done in {clock(took)}")
        elif self._stop.asked or code == 0:
            self._file.note(run, status=WAITING, message="stopped before its end")
            self._display.end(run, "stopped")
            trouble = "" if self._stop.asked else "it was stopped before its end"
        else:
            reason = process.complaint(code)
            trouble = f"{reason} (exit code {code})"
            self._file.note(run, status=FAILED, message=reason)
            self._display.end(run, f"FAILED after {clock(took)}: {trouble}. Its whole output: {process.log}")
        self._file.write()
        return trouble
