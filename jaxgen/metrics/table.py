"""Results as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any


def format_table(results: Mapping[str, Any]) -> str:
    """The results as a plain-text table, one metric a line, then what was skipped and why."""
    rows = [("metric", "value", "spread", "better", "real", "fake", "seconds")]
    notes = []
    for name, record in results.items():
        if name.startswith("_"):
            continue
        number = [f"{record[key]:.4f}" if record[key] is not None else "-" for key in ("value", "spread")]
        rows.append(
            (name, *number, *(str(record[k]) for k in ("direction", "n_real", "n_fake")), f"{record['seconds']:.1f}")
        )
        if record.get("few_samples"):
            notes.append(f"{name}: fewer than its minimum of {record['min_samples']} images; do not compare")
        if record.get("note"):
            notes.append(f"{name}: {record['note']}")
    notes += [f"{name}: skipped, {reason}" for name, reason in results.get("_skipped", {}).items()]
    lines = aligned(rows)
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *notes])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row: columns of one width, the first against the left edge, the others against the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in rows]
