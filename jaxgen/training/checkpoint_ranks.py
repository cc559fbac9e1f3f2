"""The JSON of checkpoints: the checksum of what lies beside a state, and the metric that ranks checkpoints.

Orbax keeps the metric in `<step>/metrics/metrics`, and cannot open any checkpoint if one of these files is damaged. The
JSON beside the state has the metric too, under a checksum.
"""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxgen.files.workdir import write_atomic
from jaxgen.metrics import direction
from jaxgen.settings import json_file

log = logging.getLogger(__name__)


def meta_checksum(meta: Mapping[str, Any]) -> str:
    """SHA-256 of the JSON beside a state, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(json.loads(json.dumps(meta)), sort_keys=True).encode()).hexdigest()


def check_meta(meta: Mapping[str, Any]) -> None:
    """Compares the JSON beside a state with its checksum. Checkpoints of earlier versions have none.

    Raises:
      ValueError: the JSON was changed.
    """
    written = meta.get("meta_checksum")
    if written is not None and written != meta_checksum({k: v for k, v in meta.items() if k != "meta_checksum"}):
        raise ValueError("checksum of the JSON beside the arrays differs")


def read_meta(checkpoint: Path) -> dict[str, Any]:
    """The JSON beside the state of a checkpoint, compared with its checksum.

    Raises:
      json_file.Damaged: it is damaged or missing.
    """
    try:
        meta = json_file.read_object(checkpoint / "meta" / "metadata")
        check_meta(meta)
    except (FileNotFoundError, ValueError) as error:
        raise json_file.Damaged(str(error)) from None
    return meta


class Ranks:
    """The metric of every checkpoint in a folder.

    Args:
      folder: the checkpoints.
      metric: `config.best_metric`, or "".
      better: its direction, as in `jaxgen.metrics.direction`.
    """

    def __init__(self, folder: Path, metric: str, better: str):
        self._folder, self._metric, self._better = folder, metric, better

    def best(self, steps: Iterable[int]) -> int | None:
        """The step with the best metric, the latest of equal ones. None if no step has the metric."""
        ranked = []
        for step in steps:
            value, _ = self._of(self._folder / str(step))
            if value is not None:
                ranked.append((direction.loss(self._better, value), -step))
            elif (self._folder / str(step) / "metrics").exists():
                log.warning("checkpoint %d: its %s is damaged, so it has no rank", step, self._metric)
        return -min(ranked)[1] if ranked else None

    def repair(self) -> None:
        """Writes damaged files of metrics anew from the JSON beside the state. Without it the rank is lost."""
        for checkpoint in self._folder.glob("*"):
            if not checkpoint.name.isdecimal() or not (checkpoint / "metrics").exists():
                continue
            value, whole = self._of(checkpoint)
            if whole:
                continue
            shutil.rmtree(checkpoint / "metrics", ignore_errors=True)
            if value is None:
                log.warning("checkpoint %s: its %s is damaged, so it has no rank", checkpoint.name, self._metric)
            else:
                log.warning("checkpoint %s: its damaged file of metrics is written anew", checkpoint.name)
                (checkpoint / "metrics").mkdir(parents=True)
                write_atomic(checkpoint / "metrics" / "metrics", json.dumps({self._metric: value}))

    def _of(self, checkpoint: Path) -> tuple[float | None, bool]:
        """The metric of a checkpoint, and whether orbax can read it in the file of metrics."""
        kept = written = None
        with suppress(json_file.Damaged):
            kept = _number(read_meta(checkpoint).get("metrics"), self._metric)
        with suppress(json_file.Damaged, FileNotFoundError):
            written = _number(json_file.read_object(checkpoint / "metrics" / "metrics"), self._metric)
        value = written if kept is None else kept
        return value, written is not None and written == value


def _number(values: object, name: str) -> float | None:
    value = values.get(name) if isinstance(values, dict) else None
    return value if type(value) in (int, float) and math.isfinite(value) else None
