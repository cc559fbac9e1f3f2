"""A table in a CSV file. `config.data.dir` names the file, `label_column` and `categorical_columns` its columns."""

import csv
import hashlib
import logging
import math
from pathlib import Path

import numpy as np

from jaxgen.data.base import Dataset
from jaxgen.data.table import Column, dataset
from jaxgen.errors import UserError
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
# Cells that hold nothing, in any case of letters.
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
_RULES = ("refuse", "drop_rows")
# A column with more categories holds names or numbers, and one-hot codes of it would be mostly zeros.
_MOST_CATEGORIES = 100
# Whole numbers beyond it are rounded by float32, so that different ones may become the same.
_MOST_WHOLE = 2**24


def load(config) -> Dataset:
    """Splits "train" and "test" of the rows of a CSV file whose first line names the columns.

    `config.label_column` and `config.categorical_columns` hold categories, which are sorted by name. All other columns
    hold numbers. A constant column stays. Nothing is learnt of it, and samples have its value.

    Raises:
      UserError: no such file or column, cells that are empty or no numbers, or too few rows.
    """
    path = _path(config)
    header, lines = _read(path)
    for key, names in (("label_column", [config.label_column]), ("categorical_columns", config.categorical_columns)):
        for name in names:
            if name and name not in header:
                raise UserError(lookup.unknown(f"data.{key}", name, header))
    lines, dropped = _without_missing(path, header, lines, config.missing)
    categorical = {config.label_column, *config.categorical_columns}
    columns, values = [], []
    for place, name in enumerate(header):
        cells = [(number, cells[place].strip()) for number, cells in lines]
        if name in categorical:
            categories = tuple(sorted({cell for _, cell in cells}))
            _check_categories(path, name, categories, name == config.label_column)
            codes = {category: code for code, category in enumerate(categories)}
            columns.append(Column(name, categories, name == config.label_column))
            values.append([codes[cell] for _, cell in cells])
        else:
            columns.append(Column(name))
            values.append([_number(path, name, number, cell) for number, cell in cells])
            _check_whole(path, name, cells, values[-1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    info = {"files": [{"name": path.name, "sha256": digest}], "rows_dropped": dropped}
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


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names, and the cells of each row with the number of its line in the file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from None
    if len(header) < 2 or "" in header:
        raise UserError(f"{path}: its first line must name two columns or more, separated by commas. It has {header}")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise UserError(f"{path}: two columns are called {repeated[0]!r}: rename one")
    for number, cells in lines:
        if len(cells) != len(header):
            raise UserError(f"{path}: line {number} has {len(cells)} cells, but the header has {len(header)} columns")
    return header, lines


def _without_missing(path: Path, header: list[str], lines: list, rule: str) -> tuple[list, int]:
    """The rows without a missing cell, and how many others there are."""
    whole = [line for line in lines if not any(cell.strip().lower() in _MISSING for cell in line[1])]
    dropped = len(lines) - len(whole)
    if dropped and rule == "refuse":
        number, cells = next(line for line in lines if line not in whole)
        name = next(name for name, cell in zip(header, cells, strict=True) if cell.strip().lower() in _MISSING)
        raise UserError(
            f"{path}: {dropped} of {len(lines)} rows miss a value, such as {name!r} in line {number}. Fill in the "
            "values, or set data.missing=drop_rows to leave these rows out"
        )
    if dropped:
        log.warning("%s: %d of %d rows miss a value and are left out", path, dropped, len(lines))
    return whole, dropped


def _check_categories(path: Path, name: str, categories: tuple[str, ...], label: bool) -> None:
    if len(categories) > _MOST_CATEGORIES:
        raise UserError(
            f"{path}: the column {name!r} has {len(categories)} categories. At most {_MOST_CATEGORIES} are possible. "
            "Remove the column from the file, or treat it as numbers"
        )
    if label and len(categories) < 2:
        raise UserError(f"{path}: data.label_column={name!r} holds one class only: {', '.join(categories) or 'none'}")


def _number(path: Path, name: str, line: int, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise UserError(
            f"{path}: {cell!r} in line {line}, column {name!r}, is no number. List the column in "
            "data.categorical_columns, or make it data.label_column"
        ) from None
    if not math.isfinite(value) or abs(value) > float(np.finfo(np.float32).max):
        raise UserError(f"{path}: {cell!r} in line {line}, column {name!r}, is no number that float32 holds")
    return value


def _check_whole(path: Path, name: str, cells: list[tuple[int, str]], values: list[float]) -> None:
    """Refuses whole numbers of which float32 would make different ones the same, as ids; tells of others it rounds."""
    rounded = [value for value in values if float(np.float32(value)) != value]
    if not all(value.is_integer() for value in values) or max(map(abs, values), default=0.0) <= _MOST_WHOLE:
        return
    distinct, kept = len({_exact(cell) for _, cell in cells}), len(set(np.float32(values).tolist()))
    problem = f"{path}: float32 rounds whole numbers above {_MOST_WHOLE:,}"
    mend = "Drop the column, or list it in data.categorical_columns"
    if kept < distinct:
        raise UserError(f"{problem}: {kept} of {distinct} different numbers in the column {name!r} remain. {mend}")
    if rounded:
        log.warning("%s: %d in the column %r. %s if each digit counts", problem, len(rounded), name, mend)


def _exact(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)
