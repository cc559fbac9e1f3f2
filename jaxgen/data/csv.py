"""A table in a CSV file. `config.data.dir` names the file, `label_column` and `categorical_columns` its columns."""

import hashlib
import logging
from collections import Counter
from pathlib import Path

import numpy as np

from jaxgen.data import csv_file, csv_numbers
from jaxgen.data.base import Dataset
from jaxgen.data.table import MIN_ROWS, Column, dataset
from jaxgen.errors import UserError
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
VECTORS = True
_RULES = ("refuse", "drop_rows")
# A column with more categories holds names or numbers, and one-hot codes of it would be mostly zeros.
_MOST_CATEGORIES = 100
_MOST_TOLD = 5


def load(config) -> Dataset:
    """Splits "train" and "test" of the rows of a CSV file whose first line names the columns.

    `config.label_column` and `config.categorical_columns` hold categories, which are sorted by name. All other columns
    hold numbers. A constant column stays. Nothing is learnt of it, and samples have its value. A cell that is one of
    `config.missing_words`, in any case of letters, holds nothing.

    Raises:
      UserError: no such file or column, cells that are empty or no numbers, or too few rows.
    """
    path = _path(config)
    header, lines = csv_file.read(path)
    known = set(header)
    for key, names in (("label_column", [config.label_column]), ("categorical_columns", config.categorical_columns)):
        for name in names:
            if name and name not in known:
                raise UserError(lookup.unknown(f"data.{key}", name, header))
    words = frozenset(str(word).strip().lower() for word in config.missing_words)
    total = len(lines)
    lines, left_out = _without_missing(path, header, lines, config.missing, words)
    if len(lines) < MIN_ROWS:
        dropped = f" of {total}, since the others miss a value" if left_out else ""
        raise UserError(f"{path}: {len(lines)} usable rows{dropped} are too few. A table needs at least {MIN_ROWS}")
    categorical = {config.label_column, *config.categorical_columns}
    columns, values = [], []
    for place, name in enumerate(header):
        cells = [cells[place] for _, cells in lines]
        if name in categorical:
            categories = tuple(sorted(set(cells)))
            _check_categories(path, name, categories, name == config.label_column)
            codes = {category: code for code, category in enumerate(categories)}
            columns.append(Column(name, categories, name == config.label_column))
            values.append([codes[cell] for cell in cells])
        else:
            columns.append(Column(name))
            values.append(csv_numbers.column(path, name, cells, [number for number, _ in lines]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    info = {"files": [{"name": path.name, "sha256": digest}], "rows_dropped": total - len(lines), "left_out": left_out}
    return dataset(config, "csv", columns, np.array(values, np.float64).T, info)


def _path(config) -> Path:
    if not config.dir:
        raise UserError("data.dir='': name the CSV file that data.name=csv reads")
    path = Path(config.dir).expanduser()
    if not path.is_file():
        raise UserError(f"data.dir={config.dir}: no such file. data.name=csv reads one CSV file")
    if config.missing not in _RULES:
        raise UserError(lookup.unknown("data.missing", config.missing, list(_RULES)))
    return path


def _without_missing(
    path: Path, header: list[str], lines: list[csv_file.Line], rule: str, words: frozenset[str]
) -> tuple[list[csv_file.Line], dict[str, int]]:
    """The rows without a missing cell, and how many others there are, by the reason."""
    whole, missing, rows = [], Counter(), 0
    first = None
    for line in lines:
        places = [place for place, cell in enumerate(line.cells) if cell.lower() in words]
        if not places:
            whole.append(line)
            continue
        rows += 1
        first = first or (line.number, header[places[0]], line.cells[places[0]])
        missing.update((header[place], line.cells[place]) for place in places)
    if first is None:
        return lines, {}
    told = [f"{cell!r} in {name[:80]!r} {count:,} times" for (name, cell), count in missing.most_common(_MOST_TOLD)]
    told += [f"{len(missing) - _MOST_TOLD:,} more"] if len(missing) > _MOST_TOLD else []
    keep = f"If such a cell is a value, take its word out of data.missing_words={tuple(sorted(words))}"
    if rule == "refuse":
        number, name, cell = first
        raise UserError(
            f"{path}: {rows:,} of {len(lines):,} rows miss a value, such as {name!r} in line {number}, which holds "
            f"{cell!r}. Fill in the values, or set data.missing=drop_rows to leave these rows out. {keep}"
        )
    log.warning(
        "%s: %d of %d rows miss a value and are left out (%s). %s", path, rows, len(lines), ", ".join(told), keep
    )
    return whole, {f"rows that miss a value ({', '.join(told)})": rows}


def _check_categories(path: Path, name: str, categories: tuple[str, ...], label: bool) -> None:
    if len(categories) > _MOST_CATEGORIES:
        raise UserError(
            f"{path}: the column {name!r} has {len(categories)} categories. At most {_MOST_CATEGORIES} are possible. "
            "Remove the column from the file, or treat it as numbers"
        )
    if label and len(categories) < 2:
        raise UserError(f"{path}: data.label_column={name!r} holds one class only: {categories[0][:80]}")
