"""Does the runs of a study, one or several at a time, each a process of its own, and notes what becomes of them."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxgen import report
from jaxgen.errors import UserError
from jaxgen.files import evaluation_file, workdir
from jaxgen.study import cores, files
from jaxgen.study.child import Child, Stop
from jaxgen.study.definition import Run, Study
from jaxgen.study.progress import Display, clock, time_left
from jaxgen.study.record import DONE, FAILED, RUNNING, WAITING, Record

_LOOK = 0.2  # seconds between two looks at the runs that are under way


class _UnderWay(NamedTuple):
    """A run whose process works: on which cores, since when (by the monotonic clock), and what was noted before."""

    one: Run
    child: Child
    cores: set[int] | None
    begun: float
    seconds: float
    status: str


class _Task(NamedTuple):
    """What is done with each run: the command's further flags, and how to see that it succeeded."""

    flags: tuple[str, ...]
    succeeded: Callable[[Run], bool]


class Conductor:
    """Does what is left of a study and then writes its report.

    Args:
      study, folder: what, and where.
      record: its study.json.
      command: the program that does a run, given its arguments.
    """

    def __init__(self, study: Study, folder: Path, record: Record, command: Sequence[str]):
        self._study, self._folder, self._record, self._command = study, folder, record, command
        self._stop = Stop()
        self._runs = study.runs()
        self._display = Display(len(self._runs))
        self._free, self._fewer = cores.shares(study.runs_at_once)
        self._at_once = len(self._free)

    def conduct(self, mode: str, checkpoint: str) -> None:
        """Trains (or evaluates) what is not done.

        Raises:
          UserError: runs failed; the others were done and the report is written.
        """
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
            + (f"; {self._at_once} at a time, each on its own cores" if self._at_once > 1 else "")
        )
        if self._fewer:
            self._display.say(f"not {self._study.runs_at_once} runs at a time but {self._at_once}: {self._fewer}")
        if mode == "train":
            task = _Task((), self._finished)
        else:
            flags = ("--mode=evaluate", f"--checkpoint={checkpoint}")
            task = _Task(flags, lambda one: evaluation_file.is_current(self._at(one), one.config))
        with self._stop.listening():
            failed = self._do_all(todo, task)
        if self._stop.asked:
            left = sum(self._record.of(one)["status"] != DONE for one in self._runs)
            self._display.say(f"stopped, {left} of {len(self._runs)} runs left: the same command goes on")
            return
        self._display.say("writing the report ...")
        self._display.say(f"report: {report.build([self._folder], self._folder / 'report')}")
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

    def _do_all(self, todo: list[Run], task: _Task) -> list[tuple[Run, str]]:
        """Starts a run wherever cores are free until all are done; gives those that failed and why, in their order."""
        waiting, active, failed = list(todo), [], {}
        with contextlib.ExitStack() as children:
            while active or (waiting and not self._stop.asked):
                while waiting and self._free and not self._stop.asked:
                    left = time_left([one.one for one in active] + waiting, self._record)
                    begun = self._begin(waiting.pop(0), task, None if left is None else left / self._at_once, children)
                    active += [begun] if begun else []
                self._display.follow([(each.one, each.child.last_line) for each in active])
                for i, each in enumerate(list(active)):
                    if (code := each.child.wait(0 if i else _LOOK)) is not None:
                        active.remove(each)
                        if trouble := self._end(each, code, task):
                            failed[each.one.workdir] = (each.one, trouble)
        return [failed[one.workdir] for one in todo if one.workdir in failed]

    def _begin(self, one: Run, task: _Task, left: float | None, children: contextlib.ExitStack) -> _UnderWay | None:
        """Starts a run's process; None where there is nothing to do any more."""
        noted = self._record.of(one)
        self._display.begin(self._runs.index(one) + 1, one, left)
        if not self._wait_until_free(one):
            return None
        if task.succeeded(one) and not task.flags:  # what a killed study left behind has ended by itself
            self._record.note(one, status=DONE, message="")
            self._record.write()
            self._display.end(one, "done")
            return None
        status = noted["status"]
        self._record.note(one, status=RUNNING, attempts=noted["attempts"] + 1, message="")
        self._record.write()
        log = self._folder / "logs" / f"{one.workdir.removeprefix('runs/').replace('/', '_')}.log"
        share = self._free.pop(0)
        with cores.inherited(share):
            child = Child([*self._command, *one.arguments, f"--workdir={self._at(one)}", *task.flags], log)
        children.enter_context(self._stop.passed_on_to(child))
        return _UnderWay(one, child, share, time.monotonic(), noted["seconds"], status)

    def _end(self, done: _UnderWay, code: int, task: _Task) -> str:
        """Notes what became of a run, and returns why it failed ("" if it did not)."""
        one, child, took = done.one, done.child, time.monotonic() - done.begun
        self._free.append(done.cores)
        self._record.note(one, exit_code=code, seconds=round(done.seconds + took, 3))
        trouble = ""
        if code == 0 and task.succeeded(one):
            self._record.note(one, status=DONE if self._finished(one) else done.status)
            self._display.end(one, f"done in {clock(took)}")
        elif self._stop.asked or code == 0:
            self._record.note(one, status=WAITING, message="stopped before its end")
            self._display.end(one, "stopped")
            trouble = "" if self._stop.asked else "it was stopped before its end"
        else:
            trouble = f"{child.complaint(code)} (exit code {code})"
            self._record.note(one, status=FAILED, message=child.complaint(code))
            self._display.end(one, f"FAILED after {clock(took)}: {trouble}; all it said: {child.log}")
        self._record.write()
        return trouble

    def _wait_until_free(self, one: Run) -> bool:
        """Waits for a process that still works on this run, one that a killed study left; False: asked to stop."""
        told = False
        while (process := workdir.holder(self._at(one))) and not self._stop.asked:
            if not told:
                self._display.say(f"{self._at(one)} is in use by process {process}: waiting for it to end")
                told = True
            time.sleep(_LOOK)
        return not self._stop.asked
