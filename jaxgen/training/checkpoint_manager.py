"""Orbax's checkpoint manager, which opens where small files beside the arrays are damaged.

When it opens, Orbax reads two JSON files of every checkpoint: its metrics and its times. It stops at the first file
that it cannot read, so that no checkpoint could be restored. `jaxgen.training.checkpoint_ranks` tells of damaged
metrics.
"""

import datetime
import os
from collections.abc import Iterator
from typing import Any

import orbax.checkpoint as ocp


class Manager(ocp.CheckpointManager):
    """A manager without metrics where their file is damaged.

    Its options need `step_name_format=StepFolders()`.
    """

    def metrics(self, step: int) -> Any | None:
        try:
            return super().metrics(step)
        except Exception:
            return None


class StepFolder(ocp.step.Metadata):
    """The folder of one checkpoint. Its time is that of the folder, since no rule of jaxgen needs the recorded time."""

    @property
    def commit_timestamp(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.path.stat().mtime, tz=datetime.UTC)


class StepFolders(ocp.step.NameFormat):
    """Folders with the number of a step as their name: Orbax's own format, with `StepFolder` for each."""

    def __init__(self):
        self._format = ocp.step.standard_name_format()

    def build_name(self, step: int) -> str:
        return self._format.build_name(step)

    def find_all(self, base_path: os.PathLike) -> Iterator[StepFolder]:
        for found in self._format.find_all(base_path):
            yield StepFolder(found.step, found.path)

    def find_step(self, base_path: os.PathLike, step: int) -> StepFolder:
        found = self._format.find_step(base_path, step)
        return StepFolder(found.step, found.path)
