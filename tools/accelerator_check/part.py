"""One part of the check, in this process: `python -m tools.accelerator_check.part MODULE OPTIONS.json`.

The module defines `measure(options, record)`. The rows go to the file that is named for it.
"""

import importlib
import json
import sys
from pathlib import Path

from tools.accelerator_check.record import Options, Record


def main() -> None:
    name, path = sys.argv[1:]
    options = Options(**json.loads(Path(path).read_text()))
    record = Record(Path(options.out) / f"{name.rpartition('.')[2]}.json")
    importlib.import_module(name).measure(options, record)


if __name__ == "__main__":
    main()
