"""What the parts of the check are told, and the rows that they leave in a JSON file."""

import json
import os
import time
from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """What every part is told. Paths are absolute.

    out: folder for files. tiny: small sizes. chip: of the plans. deadline: seconds since 1970, when the part is ended.
    golden, images: as in the command line, or None.
    """

    out: str
    tiny: bool
    chip: str
    golden: str | None = None
    images: str | None = None
    deadline: float = 0.0

    def left(self) -> float:
        """Seconds until the part is ended."""
        return self.deadline - time.time()


class Record:
    """The rows of one part. Its file is whole after every row, so that a part that is ended leaves what it has."""

    def __init__(self, path: Path):
        self._path, self._rows = path, []

    def row(self, what: str, value: float | None, unit: str = "", bound: float | None = None, **more) -> None:
        """Adds a row.

        Args:
          what: what was measured.
          value: None if it could not be measured. `more` says why.
          unit: of value and bound.
          bound: the value must not be larger. None: the row is not judged.
          more: further values of the row, for the JSON file.
        """
        good = None if bound is None else value is not None and value <= bound
        self._rows.append({"what": what, "value": value, "unit": unit, "bound": bound, "good": good, **more})
        write_json(self._path, self._rows)
        print(self._rows[-1], flush=True)


def write_json(path: Path, content) -> None:
    """Writes a file that is whole at any time. Numbers that are not finite become null."""
    waiting = path.with_suffix(".waiting")
    waiting.write_text(json.dumps(_finite(content), indent=1, default=str) + "\n")
    os.replace(waiting, path)


def _finite(content):
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not abs(content) < float("inf"):
        return None
    return content
