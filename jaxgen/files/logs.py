"""What a run says: metrics.jsonl, log.txt, and a progress line that survives a pipe."""

import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic
from jaxgen.settings import json_file

log = logging.getLogger(__name__)


class MetricsFile:
    """metrics.jsonl: one object a line, `{"step": ..., "seed": ..., name: number}`.

    Args:
      path: the file.
      resumed_at: lines of later steps come from a killed run. They are removed, and this run writes them anew.
      seed: the run's seed, in every line.
      every: steps between two lines, to notice lost lines. 0: unknown.
    """

    def __init__(self, path: Path, resumed_at: int, seed: int, every: int = 0):
        self._seed = seed
        lines, damaged = parsed_lines(path)
        lines = [entry for entry in lines if entry[0] <= resumed_at]
        if damaged:
            kept = set_aside(path).name
            log.warning("%s: %s. Its whole lines stay, and %s holds the file as it was", path, damaged, kept)
        due, last = resumed_at - resumed_at % every if every else 0, lines[-1][0] if lines else 0
        if last < due:
            log.warning("%s: its last whole line is of step %d. The lines up to step %d are lost", path, last, due)
        write_atomic(path, "".join(line for _, line, _ in lines))
        self._file = open(path, "a")  # noqa: SIM115 - stays open for the run

    def write(self, step: int, values: dict[str, float], seed: int | None = None) -> None:
        """Appends one line. `seed` names one of several seeds of the run."""
        self._file.write(json.dumps({"step": step, "seed": self._seed if seed is None else seed, **values}) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """Returns when all lines are on disk. A checkpoint needs this before it is saved."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def rows_until(path: Path, last_step: int) -> Iterator[tuple[int, dict[int, dict[str, float]]]]:
    """Yields (step, seed -> name -> number) of a metrics.jsonl up to a step. Lines of one step and seed are joined."""
    rows: dict[int, dict[int, dict[str, float]]] = {}
    for step, _, values in parsed_lines(path)[0]:
        if step <= last_step:
            numbers = {name: value for name, value in values.items() if name not in ("step", "seed")}
            rows.setdefault(step, {}).setdefault(values["seed"], {}).update(numbers)
    yield from rows.items()


def mean(by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Means over seeds of the numbers that all of them have."""
    rows = list(by_seed.values())
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}


def parsed_lines(path: Path) -> tuple[list[tuple[int, str, dict]], str]:
    """The whole lines of a metrics.jsonl as (step, line, values), and what is wrong with the file ("" if nothing).

    A kill can leave half a line at the end, which is no damage. A missing file has no lines.
    """
    try:
        data = json_file.read_bytes(path)
    except FileNotFoundError:
        return [], ""
    except json_file.Damaged as damage:
        return [], f"unreadable ({damage})"
    whole, damaged = [], 0
    for line in data.split(b"\n")[:-1]:
        try:
            values = json_file.parse(line)
        except json_file.Damaged:
            values = {}
        step, seed = values.get("step"), values.setdefault("seed", None)
        numbers = all(isinstance(value, int | float | None) for value in values.values())
        if type(step) is int and type(seed) in (int, type(None)) and numbers:
            whole.append((step, f"{line.decode()}\n", values))
        else:
            damaged += 1
    return whole, f"{damaged} damaged line{'s' * (damaged > 1)}" if damaged else ""


def set_aside(path: Path) -> Path:
    """Renames a damaged file to NAME.damaged, or to NAME.damaged_2 and so on.

    Raises:
      UserError: it cannot be renamed.
    """
    names = (path.with_name(f"{path.name}.damaged{f'_{i}' * (i > 1)}") for i in itertools.count(1))
    try:
        return path.rename(next(name for name in names if not os.path.lexists(name)))
    except OSError as error:
        raise UserError(f"{path} is damaged and cannot be renamed ({error.strerror}). Move it away") from None


class Progress:
    """Step, speed, time left and losses: a bar on a terminal, else a plain line every few seconds.

    Args:
      steps: steps of the whole run.
      done: steps before the start.
      batch_size: for images per second.
      seconds: duration of the whole run, if time and not `steps` ends it.
      every: seconds between plain lines. Later lines come after each fortieth of the time so far, to keep logs short.
    """

    def __init__(self, steps: int, done: int, batch_size: int, every: float = 5.0, seconds: float = 0.0):
        self._steps, self._batch_size, self._every = steps, batch_size, every
        self._seconds = seconds
        self._start, self._first, self._last_line = time.monotonic(), done, 0.0
        self._bar = None
        if sys.stderr.isatty():
            total = None if seconds else steps
            self._bar = tqdm(total=total, initial=done, unit="step", dynamic_ncols=True, smoothing=0.1)

    def update(self, step: int, losses: dict[str, float], alarms: tuple[str, ...] = (), spent: float = 0.0) -> None:
        """Shows the progress and the names of active alarms. `spent` is the time of all steps so far, in seconds."""
        elapsed = time.monotonic() - self._start
        rate = (step - self._first) / elapsed if elapsed > 0 else 0.0
        shown = {name: f"{value:.4g}" for name, value in losses.items() if name.startswith(("loss", "negative_elbo"))}
        if alarms:
            shown["ALARM"] = ", ".join(alarms)
        if self._bar is not None:
            if self._seconds:
                shown = {"of time": f"{100 * min(spent / self._seconds, 1):.0f}%", **shown}
            self._bar.set_postfix({"img/s": f"{rate * self._batch_size:.0f}", **shown}, refresh=False)
            self._bar.update(step - self._bar.n)
        elif time.monotonic() - self._last_line >= max(self._every, elapsed / 40) or step == self._steps:
            self._last_line = time.monotonic()
            left = (self._steps - step) / rate if rate else 0.0
            place = f"step {step}/{self._steps} ({100 * step // self._steps}%)"
            if self._seconds:
                left = max(self._seconds - spent, 0.0)
                place = f"step {step} ({100 * min(spent / self._seconds, 1):.0f}% of {self._seconds:g} s)"
            speed = f"{rate:.1f} steps/s  {rate * self._batch_size:.0f} images/s  {_clock(left)} left"
            losses_text = "  ".join(f"{name} {value}" for name, value in shown.items())
            print(f"{place}  {speed}  {losses_text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar's line."""
        if self._bar is not None:
            self._bar.close()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class _RunLog(logging.FileHandler):
    """log.txt."""


class _Held(logging.Handler):
    """Keeps what is said before log.txt may be written: data are opened before the work directory is locked."""

    def __init__(self):
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def hold_log() -> None:
    """Keeps jaxgen's messages until `start_log` shows and writes them. `end_log` drops them: an error is one line."""
    end_log()
    logger = logging.getLogger("jaxgen")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_Held())


def start_log(path: Path | None, show: bool) -> None:
    """Sends jaxgen's messages to stderr (above the progress bar) and, if `path` is given, to log.txt with times.

    What was said since `hold_log` comes first.
    """
    logger = logging.getLogger("jaxgen")
    held = [record for handler in logger.handlers if isinstance(handler, _Held) for record in handler.records]
    end_log()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    screen = _AboveTheBar()
    screen.setFormatter(logging.Formatter("%(message)s"))
    screen.setLevel(logging.INFO if show else logging.WARNING)
    logger.addHandler(screen)
    if path is not None:
        file = _RunLog(path)
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(file)
    for record in held:
        for handler in logger.handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


def end_log() -> None:
    """Undoes `start_log`. Messages go to the handlers of the calling program again."""
    logger = logging.getLogger("jaxgen")
    logger.propagate = True
    for handler in logger.handlers[:]:
        if isinstance(handler, _AboveTheBar | _RunLog | _Held):
            logger.removeHandler(handler)
            handler.close()


@contextmanager
def error_kept(path: Path | None) -> Iterator[None]:
    """Writes an error that ends the block to the log at `path` too, for later readers."""
    try:
        yield
    except Exception as error:
        if path is not None:
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            with suppress(OSError), open(path, "a") as file:  # a full disk must not hide the error
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 ERROR {' '.join(text.split())}\n")
        raise
