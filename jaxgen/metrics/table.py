"""Results as a table for people."""

from collections.abc import Mapping
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
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *notes])
