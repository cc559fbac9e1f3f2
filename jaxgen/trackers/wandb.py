"""Weights & Biases, by its package `wandb` (extra `wandb`): online, or offline into the work directory.

`WANDB_MODE`, `WANDB_PROJECT`, `WANDB_ENTITY` and the package's other variables of the environment say where runs go.
"""

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from jaxgen.trackers.base import TrackedRun, Tracker, identity

PACKAGES = ("wandb",)
# A .wandb file is LevelDB's log after seven bytes of W&B's own: blocks of this size, and records cut at their ends.
_BLOCK, _START = 32_768, 7
_HEAD = struct.Struct("<IHB")  # checksum, length, kind of a part
_WHOLE, _FIRST, _LAST = 1, 2, 4


def open_tracker(run: TrackedRun) -> "WeightsAndBiases":
    """A run there for each seed, those of one work directory in a group."""
    return WeightsAndBiases(run)


class WeightsAndBiases(Tracker):
    """A run at Weights & Biases, which is resumed where it has been begun."""

    def __init__(self, run: TrackedRun):
        import wandb

        own = identity(run)
        before = last_step_on_disk(run.workdir, own)
        self._image, self._folder = wandb.Image, run.folder
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "jaxgen"),
            id=own,
            name=run.name,
            group=run.group if run.part else None,
            job_type=run.part.split("_")[0] or None,
            dir=str(run.workdir),
            config=run.config,
            resume="allow" if wandb.setup().settings.mode == "online" else None,
            reinit="create_new",  # several runs at once in one process
            settings=wandb.Settings(console="off"),  # log.txt has the messages
        )
        # The server knows what has arrived. An offline run that was killed lacks what its process had not written yet.
        self.held = before if self._run.offline else self._run.starting_step - 1

    def row(self, step, numbers, pictures):
        images = {name: self._image(picture.convert("RGB")) for name, picture in pictures.items()}
        self._run.log({**numbers, **images}, step=step, commit=True)

    def final(self, step, results, timing, files, again):
        self._run.summary.update({f"final/{name}": value for name, value in results.items()})
        self._run.summary.update({f"timing/{name}": value for name, value in timing.items()})
        for path in files:
            copy = Path(self._run.dir) / path.relative_to(self._folder)  # a link would break when folders move
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            self._run.save(str(copy), base_path=self._run.dir, policy="now")

    def close(self, complete):
        self._run.finish(exit_code=255 if complete is False else 0)  # 255: killed, to be resumed


def last_step_on_disk(workdir: Path, own: str) -> int:
    """The last step in the files that runs of this identity left in a work directory, or -1."""
    from wandb.proto.wandb_internal_pb2 import Record

    last = -1
    for path in workdir.glob(f"wandb/*run-*-{own}/run-{own}.wandb"):
        for record in map(Record.FromString, records(path)):
            if record.WhichOneof("record_type") == "history":
                last = max(last, record.history.step.num)
    return last


def records(path: Path) -> Iterator[bytes]:
    """The records of a .wandb file, up to the first that a kill cut short."""
    data, position, parts = path.read_bytes(), _START, b""
    while position + _HEAD.size <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEAD.size:  # no part begins so near to the end of a block
            position += left
            continue
        _, length, kind = _HEAD.unpack_from(data, position)
        start, position = position + _HEAD.size, position + _HEAD.size + length
        if not kind or position > len(data):
            return
        parts = data[start:position] if kind in (_WHOLE, _FIRST) else parts + data[start:position]
        if kind in (_WHOLE, _LAST):
            yield parts
