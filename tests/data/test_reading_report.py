import numpy as np
import pytest

from jaxgen.data import reading_report
from jaxgen.data.base import Dataset, Split


def dataset(counts, names=(), **info):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    images = np.zeros((len(labels), 6, 5, 3), np.uint8)
    return Dataset("pets", {"train": Split(images, labels if names else None)}, names, info)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (dataset([1200, 2], ("cat", "dog")), "pets: train 1,202 images (cat 1,200, dog 2), 5x6 RGB"),
        (dataset([3]), "pets: train 3 images, 5x6 RGB"),
        (
            dataset([3], left_out={".txt": 1, ".heic": 1300}),
            "pets: train 3 images, 5x6 RGB. Left out: 1 .txt, 1,300 .heic",
        ),
        (dataset([1, 5, 2] * 4, tuple("abcdefghijkl")), "pets: train 32 images (12 classes of 1 to 5), 5x6 RGB"),
        (
            dataset([1, 5, 2, 0] * 3, tuple("abcdefghijkl")),
            "pets: train 24 images (12 classes of 1 to 5, 3 of them without any), 5x6 RGB",
        ),
        (
            dataset([1], left_out={f".{c}": 1 for c in "abcdefghi"}),
            "pets: train 1 images, 5x6 RGB. Left out: 1 .a, 1 .b, 1 .c, 1 .d, 1 .e, 1 .f, 3 more",
        ),
    ],
)
def test_one_line_says_what_was_read(made, line):
    assert reading_report.summary(made) == line


def test_rows_have_columns():
    made = Dataset("t", {"train": Split(np.zeros((4, 7), np.float32), None)}, (), {})
    assert reading_report.summary(made) == "t: train 4 rows, 7 columns"


@pytest.mark.parametrize(
    ("largest", "told"),
    [
        (200, "at most 1 of 255. If white is 255 (8 bits), multiply the values by 256"),
        (1023, "at most 4 of 255. If white is 1,023 (10 bits), multiply the values by 64"),
        (1024, "at most 4 of 255. If white is 4,095 (12 bits), multiply the values by 16"),
        (4001, "at most 16 of 255. If white is 4,095 (12 bits), multiply the values by 16"),
        (16383, "at most 64 of 255. If white is 16,383 (14 bits), multiply the values by 4"),
        (32767, "at most 127 of 255. If white is 32,767 (15 bits), multiply the values by 2"),
        (32768, ""),
        (65535, ""),
    ],
)
def test_16_bits_that_use_a_part_of_the_range(largest, told):
    line = reading_report.dark_line({"deep": 60, "largest": largest})
    assert told in line
    assert line.startswith(f"the largest value of 60 images with 16 bits is {largest:,} of 65,535") == bool(told)
    assert reading_report.dark_line({}) == ""


def test_notes_are_merged():
    assert reading_report.merged([{"deep": 1, "largest": 7}, {}, {"deep": 2, "largest": 3, "several": 1}]) == {
        "deep": 3,
        "largest": 7,
        "several": 1,
    }


def test_warnings_name_what_is_missing():
    info = {"skipped": ["a", "b", "c", "d"], "notes": {"several": 5}}
    assert reading_report.warnings_of(info, "folder") == [
        "folder without 4 unreadable images (a, b, c)",
        "folder: 5 files hold several frames or pages. The first of each is read",
    ]
    assert reading_report.warnings_of({}, "folder") == []
