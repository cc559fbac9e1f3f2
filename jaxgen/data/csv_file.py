"""Reads the header and the cells of a CSV file, and refuses files that have another form than they seem to have."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from jaxgen.data import csv_numbers
from jaxgen.errors import UserError

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class Line(NamedTuple):
    """One row. number: of its last line in the file. cells: without blanks around them."""

    number: int
    cells: list[str]


def read(path: Path) -> tuple[list[str], list[Line]]:
    """The names of a table's columns, and its rows. Lines without any cell are left out.

    Raises:
      UserError: as `parse`, or the first line does not name each column, and each by a name of its own.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    header, lines = parse(_decoded(data, str(path)), str(path))
    _check_header(path, header)
    return header, of_one_length(header, lines, str(path))


def parse(text: str, where: str, lenient: bool = False) -> tuple[list[str], list[Line]]:
    """The cells of the first line, and all other lines that hold a cell.

    Args:
      where: the file, for error lines.
      lenient: reads quotation marks inside a cell as they are, as spreadsheets do.

    Raises:
      UserError: zero bytes, a quotation mark that is not closed, a huge cell, or another separator.
    """
    if "\0" in text:
        raise UserError(f"{where}: cannot be read as CSV in UTF-8 (it holds zero bytes). Save it in UTF-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=not lenient)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_separator(where, header)
        lines = [Line(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
        if lenient and _ends_in_quotation(text):
            raise csv.Error("unexpected end of data")
    except csv.Error as error:
        raise UserError(
            f"{where}: line {reader.line_num} cannot be read as CSV ({error}). A cell that begins with a quotation "
            "mark must end with one"
        ) from None
    return header, [line for line in lines if line.cells not in ([], [""])]


def _ends_in_quotation(text: str) -> bool:
    """Whether a quotation mark swallows the rest of the file, which the lenient reader does not tell.

    Then one more line of a single cell does not become a row of its own.
    """
    rows = list(csv.reader(io.StringIO(f"{text}\n\1\n", newline="")))
    return rows[-1] != ["\1"]


def of_one_length(header: list[str], lines: list[Line], where: str) -> list[Line]:
    """The lines, if each has as many cells as the header. A UserError names the first that has not."""
    for number, cells in lines:
        if len(cells) != len(header):
            raise UserError(f"{where}: line {number} has {len(cells)} cells, but the header has {len(header)} columns")
    return lines


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: cannot be read as CSV in UTF-8 ({error.reason}). Save it in UTF-8") from None


def _check_separator(where: str, header: list[str]) -> None:
    first = ",".join(header)
    mark, count = max(((mark, first.count(mark)) for mark in _OTHER_SEPARATORS), key=lambda each: each[1])
    if count > max(len(header) - 1, 0):
        raise UserError(
            f"{where}: {_OTHER_SEPARATORS[mark]} seem to separate its cells. Save it with commas between cells, and "
            "with points in numbers"
        )


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) < 2:
        raise UserError(
            f"{path}: its first line must name two columns or more, separated by commas. It has {str(header)[:80]}"
        )
    if "" in header:
        raise UserError(f"{path}: its first line must name all columns. Column {header.index('') + 1} has no name")
    name, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path}: {'two' if count == 2 else count} columns are called {name[:80]!r}: rename one")
    if all(csv_numbers.is_number(name) for name in header):
        raise UserError(
            f"{path}: its first line must name the columns, but it holds numbers only, such as {header[0]!r}. Add a "
            "line of names"
        )
