"""The output of a run: metrics.jsonl, TensorBoard files, log.txt, and a progress line that survives a pipe."""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jax
import numpy as np
from tensorboardX import SummaryWriter
from tqdm import tqdm

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic

log = logging.getLogger(__name__)


class MetricsFile:
    """metrics.jsonl: one object a line, `{"step": ..., "seed": ..., name: number}`.

    Args:
      path: the file.
      resumed_at: lines of later steps come from a killed run. They are removed, and this run writes them anew.
      seed: the run's seed, in every line.
    """

    def __init__(self, path: Path, resumed_at: int, seed: int):
        self._seed = seed
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        # A kill can leave half a line at the end.
        kept = (line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= resumed_at)
        write_atomic(path, "".join(kept))
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


class TensorBoard:
    """Event files under `<workdir>/tensorboard`, without TensorFlow."""

    def __init__(self, folder: Path, resumed_at: int):
        # purge_step hides what a killed run wrote after the checkpoint.
        self._writer = SummaryWriter(str(folder), purge_step=resumed_at + 1 if resumed_at else None)
        # Written at once, by this thread: the library's own dies of a full disk, and its queue then blocks the run.
        events = self._writer.file_writer.event_writer
        events._worker.stop()  # it has written what was in its queue already
        events.add_event = events._ev_writer.write_event

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Adds one point to each curve. TensorBoard shows it at once."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def image(self, step: int, name: str, picture) -> None:
        """A PIL picture."""
        array = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
        self._writer.add_image(name, array, step, dataformats="HW" if array.ndim == 2 else "HWC")

    def histograms(self, step: int, tree) -> None:
        """One histogram for each array of the tree."""
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            name = "/".join(str(getattr(part, "key", getattr(part, "name", part))) for part in path)
            self._writer.add_histogram(name, np.asarray(leaf).ravel(), step)

    def text(self, name: str, text: str) -> None:
        """A text block of fixed width."""
        self._writer.add_text(name, "```\n" + text + "\n```", 0)

    def hparams(self, config: dict, results: dict[str, float]) -> None:
        """Hyperparameters and final results."""
        plain = {key: value if isinstance(value, int | float | str) else str(value) for key, value in config.items()}
        self._writer.add_hparams(plain, results, name="hparams")

    def close(self) -> None:
        """Writes the buffer."""
        self._writer.close()


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


def start_log(path: Path | None, show: bool) -> None:
    """Sends jaxgen's messages to stderr (above the progress bar) and, if `path` is given, to log.txt with times."""
    end_log()
    logger = logging.getLogger("jaxgen")
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


def end_log() -> None:
    """Undoes `start_log`. Messages go to the handlers of the calling program again."""
    logger = logging.getLogger("jaxgen")
    logger.propagate = True
    for handler in logger.handlers[:]:
        if isinstance(handler, _AboveTheBar | _RunLog):
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
