"""Cells and files that look like numbers or tables and are none, or are others than one may think."""

import csv
import io
import time

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from jaxgen.data import csv_file, csv_numbers, table
from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError
from jaxgen.settings import default
from tests.helpers.examples import EXAMPLES, read_or_refused

LABELS = [f"{i},{'ab'[i % 2]}" for i in range(40)]


def opened(path, text, **changes):
    """The data set of a file with this text, or bytes."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = default.get_config().data
    data.update({"name": "csv", "dir": str(path), "test_fraction": 0.25, "label_column": "k", **changes})
    return open_dataset(data)


def with_cell(cell, column="n"):
    """A table whose first row has this cell in one column."""
    first = {"n": "7", "k": "a", column: cell}
    return "\n".join(["n,k", f"{first['n']},{first['k']}", *LABELS]) + "\n"


def numbers(found):
    return sorted(np.concatenate([split.images[:, 0] for split in found.splits.values()]).tolist())


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1e5", 1e5),
        ("1E+2", 100),
        (" 12 ", 12),
        ("1.", 1),
        (".5", 0.5),
        ("+3", 3),
        ("-0.25", -0.25),
        ("007", 7),
        ("1e-3", np.float32(1e-3)),
        ('"8"', 8),
        ("16777217", 2**24),
    ],
)
def test_decimal_numbers_are_read(tmp_path, cell, value):
    assert numbers(opened(tmp_path / "t.csv", with_cell(cell))) == sorted([value, *range(40)])


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1_000", "without marks between thousands"),
        ("1_0", "without marks between its digits"),
        ('"1,000"', "without marks between thousands"),
        ('"1,5"', "with a point in place of the comma"),
        ("1 000", "without marks between thousands"),
        ("0x10", "in decimal digits"),
        ("\u0661\u0662", "in the digits 0 to 9"),  # Arabic-Indic
        ("\uff11\uff12", "in the digits 0 to 9"),  # fullwidth
        ("\u22125", "in the digits 0 to 9"),  # the minus sign of mathematics
        ("inf", "No column can hold infinity"),
        ("-Infinity", "No column can hold infinity"),
        ("TRUE", r"List the column in data\.categorical_columns"),
        ("5%", "without a unit"),
        ("2024-01-31", r"List the column in data\.categorical_columns"),
        ("1e", r"List the column in data\.categorical_columns"),
        ("1e60", "no number that float32 holds"),
        ("1e-60", "no number that float32 holds"),
        ("1e-999", "no number that float32 holds"),
        ("9" * 5000, "no number that float32 holds"),
    ],
)
def test_what_only_looks_like_a_number_is_refused_with_the_mend(tmp_path, cell, words):
    with pytest.raises(UserError, match=rf"in line 2, column 'n', is no number.*{words}|{words}"):
        opened(tmp_path / "t.csv", with_cell(cell))


def test_cells_with_leading_zeros_are_told(tmp_path, caplog):
    opened(tmp_path / "t.csv", with_cell("00501"))
    assert "begin with 0, such as '00501', and are read as numbers" in caplog.text
    long = with_cell("0" * 5000 + "1").replace("\n39,", "\n99999999,")
    assert 1 in numbers(opened(tmp_path / "t.csv", long))


@pytest.mark.parametrize("word", ["None", "NA", "?", "n/a", "null", "NaN", ""])
def test_words_for_nothing_are_refused_dropped_or_kept(tmp_path, caplog, word):
    rows = [f"{i},{'xy'[i % 2]},{'ab'[i % 4 // 2]}" for i in range(40)]
    text = "\n".join(["n,c,k", *rows, f"40,{word},a", f"41,{word},b"])
    changes = {"categorical_columns": ("c",)}
    with pytest.raises(UserError, match=r"2 of 42 rows miss a value, such as 'c' in line 42.*missing_words=\('', '\?'"):
        opened(tmp_path / "t.csv", text, **changes)
    dropped = opened(tmp_path / "t.csv", text, missing="drop_rows", **changes)
    assert sum(len(split.images) for split in dropped.splits.values()) == 40
    assert f"2 of 42 rows miss a value and are left out ({word!r} in 'c' 2 times)" in caplog.text
    assert "If such a cell is a value, take its word out of data.missing_words" in caplog.text
    kept = opened(tmp_path / "t.csv", text, missing_words=(), **changes)
    assert sum(len(split.images) for split in kept.splits.values()) == 42
    assert set(table.columns_of(kept.facts["points"])[1].categories) == {word, "x", "y"}
    with pytest.raises(UserError, match=r"in line 2, column 'n', is no number"):
        opened(tmp_path / "t.csv", with_cell(word), missing_words=())


BODY = "\n".join(LABELS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must name two columns or more"),
        ("n,k\n", "0 usable rows are too few"),
        ("n,k\n1,a\n", "1 usable rows are too few"),
        (f"{BODY}\n", "is unknown"),
        ("1,2\n3,4\n", "holds numbers only, such as '1'. Add a line of names"),
        (f",k\n{BODY}", "Column 1 has no name"),
        (f"n,k,n,n\n{BODY}", "3 columns are called 'n'"),
        (f"n,k\n{BODY}\n1,a,2", "line 42 has 3 cells"),
        (f"n,k\n{BODY}\n1", "line 42 has 1 cells"),
        (f"n;k\n{BODY}".replace(",", ";"), "semicolons seem to separate its cells. Save it with commas"),
        (f"n\tk\n{BODY}".replace(",", "\t"), "tabs seem to separate"),
        (f"n|k\n{BODY}".replace(",", "|"), "vertical bars seem to separate"),
        (f'n,k\n{BODY}\n5,"a\n6,b\n7,b\n', "line 44 cannot be read as CSV .*must end with one"),
        (f'n,k\n{BODY}\n5,"a"b\n', "line 42 cannot be read as CSV"),
        (f"n,k\n{BODY}\n5,a\0\n", "holds zero bytes"),
        (f"n,k\n{BODY}".encode("utf-16"), "Save it in UTF-8"),
        (f"n,k\n{BODY}\n5,\xe9".encode("latin-1"), "Save it in UTF-8"),
        ("n,k\n" + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as error:
        opened(tmp_path / "t.csv", text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_bom_line_ends_blank_lines_and_quoted_line_ends_are_fine(tmp_path):
    names = "b", "one\ntwo"
    rows = [f'{i},"{names[i % 2]}"' for i in range(40)]
    found = opened(tmp_path / "t.csv", b"\xef\xbb\xbf" + "\r\n".join(["n, k ", *rows, "", "  ", ""]).encode())
    assert found.class_names == ("b", "one\ntwo")
    assert numbers(found) == list(range(40))
    assert numbers(opened(tmp_path / "t.csv", "n,k\r" + BODY.replace("\n", "\r"))) == list(range(40))


def test_one_gap_in_many_rows_is_refused_at_once(tmp_path):
    text = "a,k\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(60_000)) + ",x\n"
    start = time.process_time()
    with pytest.raises(UserError, match="1 of 60,001 rows miss a value, such as 'a' in line 60002"):
        opened(tmp_path / "t.csv", text)
    assert time.process_time() - start < 20  # it took minutes


def test_many_columns_are_named_at_once(tmp_path):
    names = ",".join(f"c{i}" for i in range(20_000))
    start = time.process_time()
    with pytest.raises(UserError, match="two columns are called 'c0'"):
        opened(tmp_path / "t.csv", f"{names},c0\n")
    with pytest.raises(UserError, match=r"did you mean 'c77'.* 19,900 more") as error:
        opened(tmp_path / "t.csv", f"{names}\n", label_column="c77x")
    assert len(str(error.value)) < 1000
    assert time.process_time() - start < 5  # it took 20,000 searches of 20,000 names


def test_numbers_that_differ_less_than_float32_rounds_are_refused(tmp_path):
    rows = [f"{1_700_000_000.125 + i},{'ab'[i % 2]}" for i in range(40)]  # seconds since 1970
    with pytest.raises(UserError, match=r"float32 rounds numbers in the column 'n' by up to .* Subtract a constant"):
        opened(tmp_path / "t.csv", "\n".join(["n,k", *rows]))
    assert opened(tmp_path / "t.csv", "\n".join(["n,k", *(f"0.1,{'ab'[i % 2]}" for i in range(40))]))


def test_the_log_says_what_was_read(tmp_path, caplog):
    caplog.set_level("INFO")
    rows = [f"{i},1,{'xy'[i % 2]},{'ab'[i % 4 // 2]}" for i in range(40)]
    found = opened(
        tmp_path / "t.csv", "\n".join(["n,one,c,k", *rows, ",1,x,a"]), missing="drop_rows", categorical_columns=("c",)
    )
    assert "4 columns: 2 of numbers, 1 of categories, the label 'k'. The same in all rows: one" in caplog.text
    assert "train 30 rows" in caplog.text
    assert found.info["left_out"] == {"rows that miss a value ('' in 'n' 1 times)": 1}


# Cells that are often near the edge of what is a number, a name, or nothing.
_FIGURES = st.one_of(st.integers(-(10**6), 10**6).map(str), st.floats(-1e6, 1e6, width=32).map(str))
_CELLS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", " ", "NA", "?", "1_0", "0x1", "inf", "1,5", "a", 'say "b"', "x\ny", "\u0661", "TRUE", "1e400"]
    ),
    st.text(max_size=5),
)
_NAMES = st.one_of(st.sampled_from(["n", "k", "c", "d e", "", "1", "a;b", "\ufeffx"]), st.text(min_size=1, max_size=4))


@st.composite
def _tables(draw):
    """A header and rows of one length, mostly: numbers in the first column, any cells in the others."""
    width = draw(st.integers(2, 4))
    header = draw(st.lists(_NAMES, min_size=width, max_size=width, unique_by=str.strip))
    first = draw(st.sampled_from([_FIGURES, _FIGURES, _FIGURES, _CELLS]))
    row = st.tuples(first, *[_CELLS] * (width - 1))
    rows = draw(st.lists(row, min_size=1, max_size=6)) * draw(st.integers(1, 12))
    odd = draw(st.one_of(st.just([]), st.just([]), st.lists(_CELLS, max_size=5)))
    return header, [*map(list, rows), *[odd] * bool(odd)]


@EXAMPLES
@given(
    found=_tables(),
    missing=st.sampled_from(["refuse", "drop_rows"]),
    words=st.sampled_from([(), ("",), ("", "na", "?")]),
)
def test_any_table_is_read_as_it_is_or_refused_in_one_line(tmp_path_factory, found, missing, words):
    header, rows = found
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    changes = {"label_column": "", "categorical_columns": tuple(name.strip() for name in header[1:])}
    changes |= {"missing": missing, "missing_words": words}
    text = file.getvalue().encode("utf-8", "surrogatepass")
    dataset = read_or_refused(lambda: opened(path, text, **changes))
    event("read" if dataset else "refused")
    if dataset is None:
        return
    columns = table.columns_of(dataset.facts["points"])
    read = np.concatenate([split.images for split in dataset.splits.values()])
    whole = [[cell.strip() for cell in row] for row in rows]
    whole = [cells for cells in whole if cells not in ([], [""]) and not {c.lower() for c in cells} & set(words)]
    assert sorted(map(str, decoded(columns, read))) == sorted(map(str, expected(columns, whole)))


def decoded(columns, rows):
    """Rows of a data set with categories as words."""
    return [
        [c.categories[int(v)] if c.categories else float(v) for c, v in zip(columns, row, strict=True)] for row in rows
    ]


def expected(columns, rows):
    return [
        [v if c.categories else float(np.float32(float(v))) for c, v in zip(columns, row, strict=True)] for row in rows
    ]


@EXAMPLES
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(data)
    found = read_or_refused(lambda: csv_file.read(path))
    assert found is None or all(len(cells) == len(found[0]) for _, cells in found[1])


@EXAMPLES
@given(cell=st.one_of(_CELLS, st.from_regex(r"[-+0-9._eE,x]{0,9}", fullmatch=True)))
def test_what_is_a_number_here_is_one_for_everybody(cell):
    if csv_numbers.is_number(cell):
        assert cell.isascii()
        assert not set(cell) - set("0123456789.eE+-")
        float(cell)
