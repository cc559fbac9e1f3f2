"""What `--mode` does with a study: trains what is not done and reports, or evaluates all runs again and reports."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxgen import evaluation_file, report
from jaxgen.errors import UserError
from jaxgen.study import files
from jaxgen.study.child import COMMAND, Child, Stop
from jaxgen.study.definition import Run, Study
from jaxgen.study.progress import Display, clock, time_left
from jaxgen.study.record import DONE, FAILED, RUNNING, WAITING, Record
from jaxgen.training import workdir

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
        _Conductor(study, folder, record, command).conduct(mode, checkpoint)


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


class _Conductor:
    """Does runs one after the other."""

    def __init__(self, study: Study, folder: Path, record: Record, command: Sequence[str]):
        self._study, self._folder, self._record, self._command = study, folder, record, command
        self._stop = Stop()
        self._runs = study.runs()
        self._display = Display(len(self._runs))

    def conduct(self, mode: str, checkpoint: str) -> None:
        for one in self._runs:
            kept = self._record.of(one)["status"]
            status = DONE if self._finished(one) else WAITING if kept in (DONE, RUNNING) else kept
            self._record.note(one, status=status, message="" if status == DONE else self._record.of(one)["message"])
        for entry in self._record.left:
            self._display.say(f"{entry['name']} is no longer in the study; its runs stay where they are")
        todo = self._to_train() if mode == "train" else self._to_evaluate(checkpoint)
        self._record.write()
        again = sum(self._record.of(one)["status"] == FAILED for one in todo)
        self._display.say(
            f"{self._study.name}: {len(self._study.entries)} entries, {len(self._runs)} runs, {len(todo)} to {mode}"
            + (f", {again} of them failed before" if again else "")
        )
        failed = []
        with self._stop.listening():
            for place, one in enumerate(todo):
                if mode == "train":
                    trouble = self._do(one, todo[place:], (), self._finished)
                else:
                    flags = ("--mode=evaluate", f"--checkpoint={checkpoint}")
                    trouble = self._do(
                        one, todo[place:], flags, lambda one: evaluation_file.is_current(self._at(one), one.config)
                    )
                if self._stop.asked:
                    left = sum(self._record.of(one)["status"] != DONE for one in self._runs)
                    self._display.say(f"stopped, {left} of {len(self._runs)} runs left: the same command goes on")
                    return
                failed += [(one, trouble)] if trouble else []
        self._report()
        if failed:
            one, trouble = failed[0]
            more = f"; and {', '.join(other.label for other, _ in failed[1:])}" if failed[1:] else ""
            raise UserError(
                f"{len(failed)} of {len(self._runs)} runs failed: {one.label}: {trouble}{more} "
                f"(all in {self._folder / 'study.json'}). The same command tries them again"
            )

    def _at(self, one: Run) -> Path:
        return self._folder / one.workdir

    def _finished(self, one: Run) -> bool:
        return files.is_finished(self._at(one), one.config)

    def _to_train(self) -> list[Run]:
        return [one for one in self._runs if self._record.of(one)["status"] != DONE]

    def _to_evaluate(self, checkpoint: str) -> list[Run]:
        """Runs that have a checkpoint which was not evaluated with these settings."""
        todo = []
        for one in self._runs:
            newest, before = files.newest_step(self._at(one)), evaluation_file.evaluated(self._at(one))
            if newest is None:
                self._display.say(f"{one.label}: not trained yet, nothing to evaluate")
                continue
            done = evaluation_file.is_current(self._at(one), one.config) and before["step"] == newest
            if checkpoint != "latest" or not done:
                todo.append(one)
        return todo

    def _do(self, one: Run, left: list[Run], flags: Sequence[str], succeeded: Callable[[Run], bool]) -> str:
        """Does one run, notes what became of it, and returns why it failed ("" if it did not)."""
        noted = self._record.of(one)
        self._display.begin(self._runs.index(one) + 1, one, time_left(left, self._record))
        if not self._wait_until_free(one):
            return ""
        if succeeded(one) and not flags:  # what a killed study left behind has ended by itself
            self._record.note(one, status=DONE, message="")
            self._record.write()
            self._display.end("done")
            return ""
        status = noted["status"]
        self._record.note(one, status=RUNNING, attempts=noted["attempts"] + 1, message="")
        self._record.write()
        begun, seconds = time.monotonic(), noted["seconds"]
        log = self._folder / "logs" / f"{one.workdir.removeprefix('runs/').replace('/', '_')}.log"
        child = Child([*self._command, *one.arguments, f"--workdir={self._at(one)}", *flags], log)
        with self._stop.passed_on_to(child):
            while (code := child.wait(0.2)) is None:
                self._display.follow(child.last_line)
        took = time.monotonic() - begun
        self._record.note(one, exit_code=code, seconds=round(seconds + took, 3))
        trouble = ""
        if code == 0 and succeeded(one):
            self._record.note(one, status=DONE if self._finished(one) else status)
            self._display.end(f"done in {clock(took)}")
        elif self._stop.asked or code == 0:
            self._record.note(one, status=WAITING, message="stopped before its end")
            self._display.end("stopped")
            trouble = "" if self._stop.asked else "it was stopped before its end"
        else:
            trouble = f"{child.complaint(code)} (exit code {code})"
            self._record.note(one, status=FAILED, message=child.complaint(code))
            self._display.end(f"FAILED after {clock(took)}: {trouble}; all it said: {log}")
        self._record.write()
        return trouble

    def _wait_until_free(self, one: Run) -> bool:
        """Waits for a process that still works on this run, one that a killed study left; False: asked to stop."""
        told = False
        while (process := workdir.holder(self._at(one))) and not self._stop.asked:
            if not told:
                self._display.say(f"{self._at(one)} is in use by process {process}: waiting for it to end")
                told = True
            time.sleep(0.2)
        return not self._stop.asked

    def _report(self) -> None:
        self._display.say("writing the report ...")
        self._display.say(f"report: {report.build([self._folder], self._folder / 'report')}")
