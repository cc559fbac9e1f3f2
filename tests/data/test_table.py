"""Tables: breast cancer and CSV files read, split, and refused; CSV written and read back."""

import numpy as np
import pytest

from jaxgen.data import table
from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError
from jaxgen.settings import default


def config(**changes):
    data = default.get_config().data
    data.test_fraction = 0.3
    data.update(changes)
    return data


def write(path, rows, header="age,fever,kind"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def some(count=40):
    return [(20 + i, round(36 + i / 7, 1), "ab"[i % 2]) for i in range(count)]


def open_csv(path, **changes):
    return open_dataset(config(name="csv", dir=path, **{"label_column": "kind", **changes}))


def test_breast_cancer_is_split_by_class_and_seed():
    first, again, other = (open_dataset(config(name="breast_cancer", seed=seed)) for seed in (0, 0, 1))
    train, test = first.splits["train"], first.splits["test"]
    assert (train.images.shape, test.images.shape) == ((398, 31), (171, 31))
    assert (np.bincount(train.labels).tolist(), np.bincount(test.labels).tolist()) == ([148, 250], [64, 107])
    np.testing.assert_array_equal(train.images[:, 30], train.labels)
    np.testing.assert_array_equal(train.images, again.splits["train"].images)
    assert not np.array_equal(train.images, other.splits["train"].images)
    rows = {tuple(row) for row in np.concatenate([train.images, test.images])}
    assert rows == {tuple(row) for split in other.splits.values() for row in split.images}
    assert first.class_names == ("malignant", "benign")
    columns = table.columns_of(first.facts["points"])
    assert (columns[0].name, columns[30]) == (
        "mean radius",
        table.Column("diagnosis", ("malignant", "benign"), label=True),
    )


def test_a_csv_file_has_numbers_categories_and_a_label(tmp_path):
    rows = [(i, "xyz"[i % 3], f"{i / 4}", "ab"[i % 2]) for i in range(40)]
    path = write(tmp_path / "t.csv", rows, "n,letter,x,kind")
    found = open_csv(path, categorical_columns=("letter",))
    assert table.columns_of(found.facts["points"]) == [
        table.Column("n"),
        table.Column("letter", ("x", "y", "z")),
        table.Column("x"),
        table.Column("kind", ("a", "b"), label=True),
    ]
    every = np.concatenate([split.images for split in found.splits.values()])
    every = every[np.argsort(every[:, 0])]
    np.testing.assert_array_equal(every[:, 1], np.arange(40) % 3)
    np.testing.assert_array_equal(every[:, 2], np.arange(40) / 4)
    np.testing.assert_array_equal(every[:, 3], np.arange(40) % 2)
    assert len(found.splits["test"].images) == 12
    unlabelled = open_csv(path, categorical_columns=("letter", "kind"), label_column="")
    assert unlabelled.splits["train"].labels is None


def test_rows_without_a_value_are_left_out_if_that_is_said(tmp_path, caplog):
    rows = [*some(), ("", 37.0, "a"), (30, "NaN", "b")]
    path = write(tmp_path / "t.csv", rows)
    with pytest.raises(UserError, match=r"2 of 42 rows miss a value, such as 'age' in line 42.*drop_rows"):
        open_csv(path)
    found = open_csv(path, missing="drop_rows")
    assert sum(len(split.images) for split in found.splits.values()) == 40
    assert found.info["rows_dropped"] == 2
    assert "2 of 42 rows" in caplog.text


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        (some(), {"dir": ""}, "data.dir='': name the CSV file"),
        (some(), {"dir": "nowhere.csv"}, "no such file"),
        (some(), {"label_column": "knd"}, "data.label_column='knd' is unknown: did you mean 'kind'"),
        (some(), {"categorical_columns": ("fevr",)}, "data.categorical_columns='fevr' is unknown"),
        (some(), {"missing": "drop"}, "data.missing='drop' is unknown: did you mean 'drop_rows'"),
        (some(), {"label_column": ""}, r"'a' in line 2, column 'kind', is no number. List the column"),
        ([*some(), (1, "1e60", "a")], {}, "'1e60' in line 42, column 'fever', is no number that float32 holds"),
        ([*some(), (1, 2)], {}, "line 42 has 2 cells, but the header has 3 columns"),
        (some(12), {}, "12 usable rows are too few"),
        ([*some(), (1, 2, "c")], {}, r"1 row\(s\) of class 'c' are too few for a stratified split"),
        ([(i, 1.0, "a") for i in range(40)], {}, "holds one class only: a"),
        ([(i, 1.0, f"k{i}") for i in range(120)], {}, "has 120 categories. At most 100 are possible"),
        (some(), {"test_fraction": 1.0}, "data.test_fraction=1.0"),
        (some(), {"seed": -2}, "data.seed=-2"),
        (some(), {"test_split": "validation"}, "csv has the splits train, test"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, rows, changes, words):
    path = write(tmp_path / "t.csv", rows)
    with pytest.raises(UserError, match=words):
        open_csv(**{"path": changes.pop("dir", path), **changes})


@pytest.mark.parametrize("first", [2**24 - 2, 3_000_000_000, 12_345_678_901_234_567_000, -(2**25)])
def test_ids_that_float32_would_make_the_same_are_refused(tmp_path, first):
    rows = [(first + i, 36.5 + i, "ab"[i % 2]) for i in range(40)]
    words = r"t\.csv: float32 rounds .*: \d+ of 40 different numbers in the column .age. remain. Drop the column"
    with pytest.raises(UserError, match=words):
        open_csv(write(tmp_path / "t.csv", rows))
    found = open_csv(write(tmp_path / "t.csv", rows), categorical_columns=("age",))
    assert len(table.columns_of(found.facts["points"])[0].categories) == 40


def test_large_whole_numbers_that_are_only_rounded_are_told(tmp_path, caplog):
    open_csv(write(tmp_path / "t.csv", [(1_000_001 * (i + 1), 36.5, "ab"[i % 2]) for i in range(40)]))
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 1
    assert ": 14 in the column 'age'. Drop the column" in caplog.text


def test_whole_numbers_that_float32_holds_are_fine(tmp_path, caplog):
    rows = [(2**24 - i, 2**30 * i, "ab"[i % 2]) for i in range(40)]
    found = open_csv(write(tmp_path / "t.csv", rows))
    every = np.concatenate([split.images for split in found.splits.values()])
    assert sorted(every[:, 0].tolist(), reverse=True) == [row[0] for row in rows]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_headers_that_name_nothing_or_twice_are_refused(tmp_path):
    for header, words in (("age,,kind", "Column 2 has no name"), ("age,age,kind", "two columns are called 'age'")):
        with pytest.raises(UserError, match=words):
            open_csv(write(tmp_path / "t.csv", some(), header))
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00a,b\n")
    with pytest.raises(UserError, match="cannot be read as CSV in UTF-8"):
        open_csv(str(tmp_path / "t.csv"))


def test_what_is_written_is_read_back_in_its_own_units(tmp_path):
    columns = [table.Column("x, y"), table.Column("n"), table.Column("kind", ("a", 'b "b"'), label=True)]
    rows = np.array([[0.1 * (i % 7), 1000 * i, i % 2] for i in range(40)], np.float32)
    table.write_csv(tmp_path / "out.csv", columns, rows, np.array([1, 0, -1]))
    assert (tmp_path / "out.csv").read_text().splitlines()[:3] == ['"x, y",n,kind', "0,0,a", '0.1,1000,"b ""b"""']
    found = open_csv(str(tmp_path / "out.csv"))
    assert table.columns_of(found.facts["points"]) == columns
    every = np.concatenate([split.images for split in found.splits.values()])
    np.testing.assert_allclose(every[np.argsort(every[:, 1])], rows, rtol=1e-6)


def test_decimal_places_are_those_that_write_the_values():
    assert table.decimals(np.float32([1, 20, 300])) == 0
    assert table.decimals(np.float32([1, 0.25, 0.1])) == 2
    assert table.decimals(np.float32([1 / 3])) is None
