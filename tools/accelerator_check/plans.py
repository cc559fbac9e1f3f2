"""Part "plans": time and memory that `--mode=plan` promises, against those that part "fast" measured."""

import json
from pathlib import Path

from tools.accelerator_check.record import Options, Record


def measure(options: Options, record: Record) -> None:
    """Two rows for each step that was both promised and timed. A ratio of 1 is a true promise."""
    out = Path(options.out)
    promised = rows_of(out / "promises.json")
    for name, row in rows_of(out / "fast.json").items():
        if name not in promised or not row.get("step_ms"):
            continue
        promise = promised[name]
        seconds = row["step_ms"] / 1000
        more = {"promised_s": promise["value"], "measured_s": seconds, "limit": promise["limit"]}
        record.row(f"{name}: promised step time", promise["value"] / seconds, "of the measured", None, **more)
        if row.get("bytes"):
            more = {"promised_bytes": promise["bytes"], "measured_bytes": row["bytes"]}
            record.row(f"{name}: promised memory", promise["bytes"] / row["bytes"], "of the measured", None, **more)


def rows_of(path: Path) -> dict[str, dict]:
    """The rows of a part by what they are, none if it left no file."""
    return {row["what"]: row for row in json.loads(path.read_text())} if path.exists() else {}
