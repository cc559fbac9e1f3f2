"""Where a study is: which run of how many, and the time that is left by what was measured."""

import shutil
import sys
import time

from jaxgen.study.definition import Run
from jaxgen.study.record import DONE, Record

# Seconds between two looks at what a run says, on a terminal; and between two lines of it elsewhere, at least.
_LOOK, _LINE = 1.0, 60.0


def time_left(runs: list[Run], record: Record) -> float | None:
    """Seconds that these runs will take, each as long as its entry's took (or as all took), or None: none has ended."""
    of_entry: dict[str, list[float]] = {}
    for entry in record.entries:
        measured = [run["seconds"] for run in entry["runs"] if run["status"] == DONE and run["seconds"]]
        if measured:
            of_entry[entry["name"]] = measured
    if not of_entry:
        return None
    means = {name: sum(measured) / len(measured) for name, measured in of_entry.items()}
    usual = sum(means.values()) / len(means)
    return sum(means.get(run.entry, usual) for run in runs)


def clock(seconds: float) -> str:
    """h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


class Display:
    """Lines about a study on stderr; on a terminal the last one follows the run.

    Args:
      total: runs of the study, done ones included.
    """

    def __init__(self, total: int):
        self._total, self._live = total, sys.stderr.isatty()
        self._label, self._begun, self._looked, self._told = "", 0.0, 0.0, 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        print(f"\r\033[K{text}" if self._live else text, file=sys.stderr, flush=True)

    def begin(self, number: int, run: Run, left: float | None) -> None:
        """A run starts."""
        self._label = f"run {number} of {self._total}, {run.label}"
        self._begun = self._told = time.monotonic()
        self.say(f"{self._label} ..." + (f" (about {clock(left)} left in all)" if left is not None else ""))

    def follow(self, last_line) -> None:
        """Shows now and then what the run said last; `last_line()` is asked for it only then."""
        now = time.monotonic()
        if self._live and now - self._looked >= _LOOK:
            self._looked = now
            text = f"  {clock(now - self._begun)}  {last_line()}"
            print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        elif not self._live and now - self._told >= max(_LINE, (now - self._begun) / 20):
            self._told = now
            self.say(f"  {clock(now - self._begun)}  {last_line()}")

    def end(self, outcome: str) -> None:
        """A run ended."""
        self.say(f"{self._label}: {outcome}")
