"""Tables: columns with names and kinds, rows as float32, stratified splits, and CSV in the original units."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic

# Below so many rows neither a split nor any statistic says anything.
MIN_ROWS = 20
# Numbers that need more are written as finely as float32 holds them.
_MOST_DECIMALS = 7


class Column(NamedTuple):
    """One column of a table.

    categories: the meaning of its codes 0, 1, ..., or () for numbers. label: whether it holds the class of the row.
    """

    name: str
    categories: tuple[str, ...] = ()
    label: bool = False


def columns_of(facts: dict) -> list[Column]:
    """The columns in `Dataset.facts["points"]`, in the order of the rows. [] if the vectors are no table."""
    return [Column(name, tuple(categories), label) for name, categories, label in facts.get("columns", ())]


def label_place(columns: Sequence[Column]) -> int | None:
    """The index of the label column, or None."""
    return next((i for i, column in enumerate(columns) if column.label), None)


def kinds(columns: Sequence[Column], rows: np.ndarray) -> str:
    """The kinds of columns of a table in words: numbers, categories, the label, and those that never change.

    rows: [N, C], N at least 1.
    """
    categories = sum(bool(column.categories) and not column.label for column in columns)
    counts = {"of numbers": sum(not column.categories for column in columns), "of categories": categories}
    parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    parts += [f"the label {column.name[:80]!r}" for column in columns if column.label]
    constant = [column.name[:80] for column, same in zip(columns, (rows == rows[0]).all(axis=0), strict=True) if same]
    more = f" and {len(constant) - 3:,} more" if len(constant) > 3 else ""
    same = f". The same in all rows: {', '.join(constant[:3])}{more}" if constant else ""
    return f"{len(columns):,} columns: {', '.join(parts)}{same}"


def dataset(config, name: str, columns: Sequence[Column], rows: np.ndarray, info: dict[str, Any]) -> Dataset:
    """Splits "train" and "test" of a table, stratified by the label column if there is one.

    Args:
      config: `config.data`. Reads `test_fraction` and `seed`.
      columns: the columns of the table. rows: [N, C] in the same order, with codes for categories.
      info: the source of the rows.

    Raises:
      UserError: too few rows in all or in a class, or an impossible fraction or seed.
    """
    # Imported here: it takes a second, which only tables need.
    from sklearn.model_selection import train_test_split

    rows = np.asarray(rows, np.float32)
    where = f"data.name={name!r}"
    if len(rows) < MIN_ROWS:
        raise UserError(f"{where}: {len(rows)} usable rows are too few. A table needs at least {MIN_ROWS}")
    if not 0 < config.test_fraction < 1:
        raise UserError(
            f"data.test_fraction={config.test_fraction}: for a table it must be between 0 and 1, such as 0.3"
        )
    if config.seed < 0:
        raise UserError(f"data.seed={config.seed}: it must be 0 or more")
    place = label_place(columns)
    labels = None if place is None else rows[:, place].astype(np.int32)
    class_names = () if place is None else columns[place].categories
    if labels is not None:
        for code, count in enumerate(np.bincount(labels, minlength=len(class_names))):
            held = count * min(config.test_fraction, 1 - config.test_fraction)
            if count < 4 or held < 1:
                raise UserError(
                    f"{where}: {count} row(s) of class {class_names[code]!r} are too few for a stratified split with "
                    f"data.test_fraction={config.test_fraction}. Join classes, or leave such rows out"
                )
    parts = train_test_split(
        np.arange(len(rows)), test_size=config.test_fraction, stratify=labels, random_state=config.seed
    )
    splits = {
        part: Split(rows[ids], None if labels is None else labels[ids])
        for part, ids in zip(("train", "test"), parts, strict=True)
        if part in wanted_splits(config, ("train", "test"))
    }
    facts = {"columns": [[column.name, list(column.categories), column.label] for column in columns]}
    info = {
        **info,
        "rows": len(rows),
        "test_fraction": config.test_fraction,
        "seed": config.seed,
        "kinds": kinds(columns, rows),
        **facts,
    }
    return Dataset(name, splits, class_names, info, {"points": facts})


def decimals(values: np.ndarray) -> int | None:
    """The decimal places that write all float32 `values` [N] exactly. None if no rounding does."""
    most = 0
    for value in np.unique(values):
        text = np.format_float_positional(np.float32(value), trim="-")
        most = max(most, len(text.partition(".")[2]))
        if most > _MOST_DECIMALS:
            return None
    return most


def write_csv(path: Path, columns: Sequence[Column], rows: np.ndarray, places: np.ndarray) -> None:
    """Writes rows [N, C] as CSV with column names, categories as words and numbers in their own units.

    places: decimal places [C] of the numbers. -1 writes all that float32 has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([column.name for column in columns])
    writer.writerows([_cell(*cell) for cell in zip(columns, row, places, strict=True)] for row in rows)
    write_atomic(path, file.getvalue())


def _cell(column: Column, value: np.float32, places: int) -> str:
    if column.categories:
        return column.categories[int(value)]
    if places < 0:
        return np.format_float_positional(np.float32(value), trim="-")
    return np.format_float_positional(np.round(np.float64(value), places), trim="-")
