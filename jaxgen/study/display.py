"""Shows the progress of a study: the number of the run, and the remaining time from measured times."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from jaxgen.study.definition import PlannedRun
from jaxgen.study.study_file import DONE, StudyFile

# Seconds between two looks at what a run says, on a terminal; and between two lines of it elsewhere, at least.
_LOOK, _LINE = 1.0, 60.0


def time_left(runs: list[PlannedRun], study_file: StudyFile) -> float | None:
    """Estimated seconds of these runs, from times of their entries (or of all runs). None before the first end."""
    means: dict[str, float] = {}
    for entry in study_file.entries:
        if measured := [run["seconds"] for run in entry["runs"] if run["status"] == DONE and run["seconds"]]:
            means[entry["name"]] = sum(measured) / len(measured)
    if not means:
        return None
    usual = sum(means.values()) / len(means)
    return sum(means.get(run.entry, usual) for run in runs)


def clock(seconds: float) -> str:
    """h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


class Display:
    """Lines about a study on stderr. On a terminal the last line follows the runs in progress.

    Args:
      total: number of runs of the study, including finished runs.
    """

    def __init__(self, total: int):
        self._total, self._live = total, sys.stderr.isatty()
        self._looked = 0.0
        self._runs: dict[str, _RunLine] = {}

    def say(self, text: str) -> None:
        """A permanent line."""
        print(f"\r\033[K{text}" if self._live else text, file=sys.stderr, flush=True)

    def begin(self, number: int, run: PlannedRun, left: float | None) -> None:
        """A run starts."""
        now = time.monotonic()
        self._runs[run.workdir] = _RunLine(f"run {number} of {self._total}, {run.label}", now, now)
        about = f" (about {clock(left)} left for all)" if left is not None else ""
        self.say(f"{self._runs[run.workdir].label} ...{about}")

    def follow(self, runs: list[tuple[PlannedRun, Callable[[], str]]]) -> None:
        """Shows the runs' last messages now and then. Only then it calls their `last_line()`."""
        now = time.monotonic()
        if self._live and runs and now - self._looked >= _LOOK:
            self._looked = now
            room = (shutil.get_terminal_size().columns - 1) // len(runs)
            texts = (self._line(run, last, now, len(runs) > 1)[: room - 1].ljust(room) for run, last in runs)
            print(f"\r\033[K{''.join(texts).rstrip()}", end="", file=sys.stderr, flush=True)
        for run, last in () if self._live else runs:
            line = self._runs[run.workdir]
            if now - line.written >= max(_LINE, (now - line.begun) / 20):
                self._runs[run.workdir] = line._replace(written=now)
                self.say(self._line(run, last, now, len(runs) > 1))

    def _line(self, run: PlannedRun, last: Callable[[], str], now: float, named: bool) -> str:
        name = f"{run.label}  " if named else ""
        return f"  {name}{clock(now - self._runs[run.workdir].begun)}  {last()}"

    def end(self, run: PlannedRun, outcome: str) -> None:
        """A run ended."""
        self.say(f"{self._runs.pop(run.workdir).label}: {outcome}")


class _RunLine(NamedTuple):
    """A run's name, and when it began and was last written of, by the monotonic clock."""

    label: str
    begun: float
    written: float
