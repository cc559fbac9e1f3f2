"""TensorBoard: event files in the work directory, written without TensorFlow."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from jaxgen.settings.configuration import flatten
from jaxgen.trackers.base import TrackedRun, Tracker


def open_tracker(run: TrackedRun) -> "TensorBoard":
    """Event files under `<workdir>/tensorboard`. Each of several seeds is a run of its own there."""
    return TensorBoard(run.workdir / "tensorboard" / run.part, run.config, run.resumed_at)


class TensorBoard(Tracker):
    """The event files of a folder.

    Args:
      config: the hyperparameters as plain types.
      resumed_at: later steps of a killed run are hidden, and written again. None hides nothing.
    """

    shows_histograms = True

    def __init__(self, folder: Path, config: Mapping, resumed_at: int | None = None):
        self._folder, self._config = folder, config
        goes_on = resumed_at is not None and any(folder.glob("events*"))
        self.held = resumed_at if goes_on else -1
        self._writer = SummaryWriter(str(folder), purge_step=resumed_at + 1 if goes_on else None)
        # Written at once, by this thread: the library's own dies of a full disk, and its queue then blocks the run.
        events = self._writer.file_writer.event_writer
        events._worker.stop()  # it has written what was in its queue already
        events.add_event = events._ev_writer.write_event

    def row(self, step, numbers, pictures):
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        for name, picture in pictures.items():
            array = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
            self._writer.add_image(name, array, step, dataformats="HW" if array.ndim == 2 else "HWC")
        self._writer.flush()  # to be seen at once

    def final(self, step, results, timing, files, again):
        if again and (self._folder / "hparams").exists():
            return
        self.row(step, {f"final/{name}": value for name, value in results.items()}, {})
        self.row(step, {f"timing/{name}": value for name, value in timing.items()}, {})
        plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in flatten(self._config).items()}
        self._writer.add_hparams(plain, dict(results), name="hparams")

    def text(self, name, text):
        self._writer.add_text(name, "```\n" + text + "\n```", 0)

    def histograms(self, step, arrays):
        for name, array in arrays.items():
            self._writer.add_histogram(name, np.asarray(array).ravel(), step)

    def close(self, complete):
        self._writer.close()
