"""Records of numbers in evaluation.json, with their conditions and seconds, and records as a table."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.selection import Selected


@contextlib.contextmanager
def timed(totals: dict[str, float], name: str) -> Iterator[None]:
    """Adds the time of its block to `totals[name]`."""
    start = time.perf_counter()
    yield
    totals[name] += time.perf_counter() - start


def record(
    metric: Selected,
    result: Mapping[str, Any],
    counts: tuple[int | None, int | None],
    split: str,
    extractor: Extractor | None,
    seconds: Mapping[str, float],
    marks: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """The record of one number in evaluation.json, under `metric.key`.

    Args:
      result: the accumulator's result: `value`, `spread`, `spread_kind` and further entries.
      counts: numbers of real and generated images. split: name of the reference split.
      extractor: the feature network, or None.
      seconds: {"seconds": the metric's own time, "seconds_view": time for making the images}.
      marks: marks of `selection.few_samples`. facts: facts about the sampling, beside the model.
      note: a remark for readers, after the result's own note.
    """
    notes = "; ".join(filter(None, [result.get("note"), note]))
    whole = {
        "value": result["value"],
        "spread": result["spread"],
        "n_real": counts[0],
        "n_fake": counts[1],
        "direction": metric.module.DIRECTION,
        "metric": metric.name,
        "view": metric.view,
        "extractor": None,
        "resize": None,
        **({**extractor.metadata(), "weights_from": extractor.weights_from} if extractor else {}),
        **(facts or {}),
        **{name: round(value, 3) for name, value in seconds.items()},
        **result,
        "split": split,
        **marks,
        **({"note": notes} if notes else {}),
    }
    return _finite(whole)


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """The record with null for each infinite or undefined number, since JSON has none, and a note that says so."""
    bad = {key: value for key, value in record.items() if isinstance(value, float) and not math.isfinite(value)}
    inside = {key: value for key, value in record.items() if key not in bad and _without_bad(value) != value}
    if not bad and not inside:
        return record
    reasons = [f"{key} is {value}" for key, value in bad.items()]
    reasons += [f"{key} has numbers that are not finite" for key in inside]
    whole = {**record, **dict.fromkeys(bad), **{key: _without_bad(value) for key, value in inside.items()}}
    return {**whole, "note": "; ".join(filter(None, [record.get("note"), *reasons]))}


def _without_bad(value: object) -> object:
    """Lists and dicts with null for each infinite or undefined number in them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return type(value)(_without_bad(part) for part in value)
    if isinstance(value, dict):
        return {key: _without_bad(part) for key, part in value.items()}
    return value


def format_table(results: Mapping[str, Any]) -> str:
    """The results as a plain-text table, one metric per line, then skipped metrics with reasons."""
    rows = [("metric", "value", "spread", "better", "real", "fake", "seconds")]
    notes = []
    for name, record in results.items():
        if name.startswith("_"):
            continue
        number = [f"{record[key]:.4f}" if record[key] is not None else "-" for key in ("value", "spread")]
        facts = [str(record[key]) for key in ("direction", "n_real", "n_fake")]
        rows.append((name, *number, *facts, f"{record['seconds']:.1f}"))
        if record.get("few_samples"):
            notes.append(f"{name}: fewer than its minimum of {record['min_samples']} images. Do not compare it")
        if record.get("note"):
            notes.append(f"{name}: {record['note']}")
    notes += [f"{name}: skipped, {reason}" for name, reason in results.get("_skipped", {}).items()]
    lines = aligned(rows)
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *notes])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row. Columns have one width. The first is aligned left, the others right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in rows]
