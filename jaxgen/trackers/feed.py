"""Gives every tracker of a run each step once, whatever was killed between."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from jaxgen.files.logs import mean, rows_until
from jaxgen.settings import lookup
from jaxgen.trackers.base import KEY, TrackedRun, Tracker

log = logging.getLogger(__name__)
# Pictures of samples/ that belong to a step, and what trackers call them.
_PICTURES = {"step_*.png": "samples", "reconstructions_*.png": "reconstructions"}


class Trackers:
    """The trackers of a run, one opened for each seed, and for their mean where there are several.

    Args:
      names: `config.trackers`.
      runs: what each of them shows. None in processes that show nothing.
    """

    def __init__(self, names: Sequence[str] = (), runs: Sequence[TrackedRun] = ()):
        self._runs = {run.part: run for run in runs}
        self._trackers: dict[str, dict[str, Tracker]] = {}
        self._step, self._numbers, self._pictures = 0, {}, {}
        for name in dict.fromkeys(names) if runs else ():
            self._trackers[name] = {}
            self._guard(name, self._open, name)

    def numbers(self, step: int, by_seed: Mapping[int, Mapping[str, float]]) -> None:
        """Adds numbers of each seed to the row of a step."""
        self._step = step
        for run in self._runs.values():
            self._numbers.setdefault(run.part, {}).update(mean(by_seed) if run.seed is None else by_seed[run.seed])

    def picture(self, step: int, seed: int, name: str, picture: Image.Image) -> None:
        """Adds a picture of a seed to the row of a step."""
        self._step = step
        (part,) = (run.part for run in self._runs.values() if run.seed == seed)
        self._pictures.setdefault(part, {})[name] = picture

    def send(self) -> None:
        """Ends the row of a step: trackers are given it whole, or not at all."""
        numbers, pictures = self._numbers, self._pictures
        self._numbers, self._pictures = {}, {}
        for part in dict.fromkeys((*numbers, *pictures)):
            self._each(part, self._give, self._step, numbers.get(part, {}), pictures.get(part, {}))

    @property
    def show_histograms(self) -> bool:
        """Whether any of them does."""
        return any(tracker.shows_histograms for parts in self._trackers.values() for tracker in parts.values())

    def histograms(self, step: int, seed: int, arrays: Mapping[str, Any]) -> None:
        """A histogram for each array of a seed."""
        for part in (run.part for run in self._runs.values() if run.seed == seed):
            self._each(part, lambda tracker: tracker.histograms(step, arrays))

    def text(self, name: str, text: str) -> None:
        """A text block, beside the first seed."""
        for part in list(self._runs)[:1]:
            self._each(part, lambda tracker: tracker.text(name, text))

    def final(self, step: int, seed: int | None, evaluation: Mapping[str, Any], results: Mapping, again: bool) -> None:
        """The evaluation of a seed, or of all together.

        Args:
          seed: None for the mean.
          evaluation: the contents of evaluation.json.
          results: the plain numbers in it.
          again: it is an evaluation of before.
        """
        timing = evaluation["_run"]["timing"]
        timing = {name: float(value) for name, value in timing.items() if isinstance(value, int | float)}
        for run in [run for run in self._runs.values() if run.seed == seed]:
            patterns = ("config.json", "evaluation.json", "evaluation/*.png")
            files = [path for pattern in patterns for path in sorted(run.folder.glob(pattern))]
            self._each(run.part, lambda tracker, files=files: tracker.final(step, results, timing, files, again))

    def close(self, complete: bool | None = False) -> None:
        """Ends them all. See `Tracker.close`."""
        for name, parts in list(self._trackers.items()):
            for tracker in parts.values():
                self._guard(name, tracker.close, complete)
        self._trackers = {}

    def _open(self, name: str) -> None:
        module = lookup.module("trackers", name, KEY)
        for part, run in self._runs.items():
            self._trackers[name][part] = tracker = module.open_tracker(run)
            if run.resumed_at is not None:
                for step, numbers, pictures in _history(run, tracker.held):
                    tracker.row(step, numbers, pictures)

    @staticmethod
    def _give(tracker: Tracker, step: int, numbers: Mapping, pictures: Mapping) -> None:
        if step > tracker.held:  # else it has seen the step before the run was killed; its numbers were the same
            tracker.row(step, numbers, pictures)

    def _each(self, part: str, action: Callable, *arguments) -> None:
        for name, parts in list(self._trackers.items()):
            self._guard(name, action, parts[part], *arguments)

    def _guard(self, name: str, action: Callable, *arguments) -> None:
        """Does the action; a tracker that fails is told of once, and not asked again."""
        if name not in self._trackers:
            return
        try:
            action(*arguments)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            log.warning("tracker %s failed, and the run goes on without it: %s", name, reason)
            for tracker in self._trackers.pop(name).values():
                with suppress(Exception):
                    tracker.close(False)


def _history(run: TrackedRun, held: int):
    """Yields (step, numbers, pictures) of the steps after `held` that the work directory has, in their order."""
    numbers = {}
    for step, by_seed in rows_until(run.workdir / "metrics.jsonl", run.resumed_at):
        numbers[step] = mean(by_seed) if run.seed is None else by_seed.get(run.seed, {})
    files: dict[int, dict[str, Path]] = {}
    for pattern, name in _PICTURES.items() if run.seed is not None else ():
        for path in (run.folder / "samples").glob(pattern):
            files.setdefault(int(path.stem.split("_")[-1]), {})[name] = path
    steps = {step for step in (*numbers, *files) if held < step <= run.resumed_at}
    for step in sorted(steps):
        pictures = {}
        for name, path in files.get(step, {}).items():
            with Image.open(path) as picture:
                pictures[name] = picture.copy()
        yield step, numbers.get(step, {}), pictures
