"""Numbers of a CSV file as float32, and refusals of cells that only look like numbers or lose their differences."""

import logging
import re
from pathlib import Path

import numpy as np

from jaxgen.errors import UserError

log = logging.getLogger(__name__)
# Digits of ASCII with at most one point and an exponent. Python's float() takes more: `1_000`, `inf`, other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LEADING_ZEROS = re.compile(r"^([+-]?)0+(?=[0-9])")
# Whole numbers beyond it are rounded by float32, so that different ones may become the same.
_MOST_WHOLE = 2**24
_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).smallest_subnormal)
# Rounding by more than this part of a column's deviation changes what a model can learn of it.
_MOST_ROUNDING = 1e-3
# What a cell that is no number may be, and how to mend it. The first that fits is told.
_MENDS = (
    (r"", "Fill it in, leave the row out, or add '' to data.missing_words"),
    (r"[+-]?[0-9]{1,3}([,_' \u00a0\u202f][0-9]{3})+(\.[0-9]*)?", "Write it without marks between thousands"),
    (r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?", "Write it with a point in place of the comma"),
    (r"[+-]?[0-9_]+", "Write it without marks between its digits"),
    (r"[+-]?0[xXbBoO][0-9a-fA-F]+", "Write it in decimal digits"),
    (r"[+-]?(inf|infinity)", "No column can hold infinity. Replace it, or leave the row out"),
    (r"[-+]?nan", "Replace it, leave the row out, or add 'nan' to data.missing_words"),
    (r"\S*[0-9]\s?[%$\u20ac\u00a3]|[%$\u20ac\u00a3]\s?[0-9]\S*", "Write it without a unit"),
    (r"(?=.*[^\x00-\x7f])[\d.,+\-\u2212\s]+", "Write it in the digits 0 to 9, with - and ."),
)
_CATEGORY = "List the column in data.categorical_columns, or make it data.label_column"


def is_number(cell: str) -> bool:
    """Whether a cell is a decimal number in ASCII, such as `12`, `+3`, `1.`, `.5` or `1e5`."""
    return _NUMBER.fullmatch(cell) is not None


def column(path: Path, name: str, cells: list[str], lines: list[int]) -> np.ndarray:
    """The numbers of a column, float64 [N], each within the range of float32.

    Args:
      cells: of the column. lines: the number of each cell's line in the file.

    Raises:
      UserError: a cell is no number, or float32 takes the differences out of the column.
    """
    values = np.array([_number(path, name, *each) for each in zip(cells, lines, strict=True)], np.float64)
    zeros = next((cell for cell in cells if _LEADING_ZEROS.match(cell)), None)
    if zeros is not None:
        log.warning(
            "%s: cells of the column %r begin with 0, such as %r, and are read as numbers. If they are codes, list the "
            "column in data.categorical_columns",
            path,
            name,
            zeros,
        )
    _check_rounding(path, name, cells, values)
    return values


def _number(path: Path, name: str, cell: str, line: int) -> float:
    if not is_number(cell):
        mend = next((mend for pattern, mend in _MENDS if re.fullmatch(pattern, cell, re.IGNORECASE)), _CATEGORY)
        raise UserError(f"{path}: {cell[:80]!r} in line {line}, column {name!r}, is no number. {mend}")
    value = float(cell)
    if abs(value) > _LARGEST or (abs(value) < _SMALLEST and re.search("[1-9]", re.split("[eE]", cell)[0])):
        raise UserError(f"{path}: {cell[:80]!r} in line {line}, column {name!r}, is no number that float32 holds")
    return value


def _check_rounding(path: Path, name: str, cells: list[str], values: np.ndarray) -> None:
    """Refuses columns of which float32 would make different numbers the same. Tells of whole numbers it rounds."""
    error = np.abs(values.astype(np.float32) - values)
    if not error.any():
        return
    whole = all(_WHOLE.fullmatch(cell) for cell in cells) or np.mod(values, 1).any() == 0
    if not whole:
        deviation = values.std() if np.ptp(values) else 0.0
        if error.max() > _MOST_ROUNDING * deviation > 0:
            raise UserError(
                f"{path}: float32 rounds numbers in the column {name!r} by up to {error.max():.2g}, and their standard "
                f"deviation is {deviation:.2g}. Subtract a constant from the column, such as its mean"
            )
        return
    if np.abs(values).max() <= _MOST_WHOLE:
        return
    distinct, kept = len({_exact(cell) for cell in cells}), len(np.unique(values.astype(np.float32)))
    problem = f"{path}: float32 rounds whole numbers above {_MOST_WHOLE:,}"
    mend = "Drop the column, or list it in data.categorical_columns"
    if kept < distinct:
        raise UserError(f"{problem}: {kept} of {distinct} different numbers in the column {name!r} remain. {mend}")
    rounded = int(np.count_nonzero(error))
    log.warning("%s: %d in the column %r. %s if each digit counts", problem, rounded, name, mend)


def _exact(cell: str) -> int | float:
    # Without leading zeros, since int() refuses thousands of digits.
    return int(_LEADING_ZEROS.sub(r"\1", cell)) if _WHOLE.fullmatch(cell) else float(cell)
