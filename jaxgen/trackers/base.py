"""What a tracker is: it shows the numbers and pictures of a run, and goes on after the run was killed.

The work directory is the truth. A tracker says which step it holds last, and is then given all later steps. Missing
steps come from `metrics.jsonl` and the sample pictures. New steps come from the training.
"""

import importlib.util
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic
from jaxgen.settings import json_file, lookup

KEY = "config.trackers"


class TrackedRun(NamedTuple):
    """What a tracker shows as one run: a seed, or the mean of several.

    workdir: of the whole run.
    part: "" for the run of one seed, else "seed_<s>" or "mean".
    seed: None for the mean.
    folder: where its pictures and its evaluation.json lie.
    config: as plain types.
    resumed_at: the step that training goes on from, 0 at the start. None without training.
    """

    workdir: Path
    part: str
    seed: int | None
    folder: Path
    config: dict[str, Any]
    resumed_at: int | None

    @property
    def group(self) -> str:
        """The name of the work directory."""
        return self.workdir.absolute().name

    @property
    def name(self) -> str:
        """A name for people: of the work directory, and of the part."""
        return f"{self.group}/{self.part}" if self.part else self.group


class Tracker:
    """One run in a tracker. `row` and `final` must be there. The other methods may do nothing.

    Any exception is told once, and the run goes on without the tracker.

    Attributes:
      held: the last step whose `row` it holds completely and permanently, or -1. It gets only later steps.
      shows_histograms: whether `histograms` does anything.
    """

    held: int = -1
    shows_histograms: bool = False

    def row(self, step: int, numbers: Mapping[str, float], pictures: Mapping[str, Image.Image]) -> None:
        """All numbers and pictures of a step, once for each step, in the order of steps. Either can be empty."""
        raise NotImplementedError

    def final(
        self, step: int, results: Mapping[str, float], timing: Mapping[str, float], files: Sequence[Path], again: bool
    ) -> None:
        """The evaluation of the trained model.

        Args:
          results: the numbers of evaluation.json.
          timing: its seconds, speed and memory.
          files: of the work directory, to keep beside them.
          again: the same numbers may have been given before.
        """
        raise NotImplementedError

    def text(self, name: str, text: str) -> None:
        """A fixed-width text block, at the start of a run."""

    def histograms(self, step: int, arrays: Mapping[str, Any]) -> None:
        """A histogram for each array."""

    def close(self, complete: bool | None) -> None:
        """Writes what is buffered.

        Args:
          complete: True at the end of a run. False where the same command would go on. None where nothing was trained.
        """


def check(names: Iterable[str]) -> None:
    """Refuses trackers that there are not.

    Raises:
      UserError: an unknown name, or one whose package is not installed.
    """
    for name in names:
        module = lookup.module("trackers", name, KEY)
        for package in getattr(module, "PACKAGES", ()):
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"{KEY} names {name!r}, and its package {package!r} is not installed: pip install "
                    f"'jaxgen[{name}]', or leave {name!r} out"
                )


def identity(run: TrackedRun) -> str:
    """A name that no other run has, the same after every resume. `trackers.json` of the work directory keeps it."""
    path = run.workdir / "trackers.json"
    try:
        own = json_file.read_object(path).get("id")
    except FileNotFoundError:
        own = None
    except json_file.Damaged as damage:
        raise UserError(
            f"{path} is unreadable: {damage}. Bring it back, or move it away to begin a new record"
        ) from None
    if not isinstance(own, str):
        own = secrets.token_hex(8)
        write_atomic(path, json.dumps({"id": own}) + "\n")
    return f"{own}-{run.part}" if run.part else own
