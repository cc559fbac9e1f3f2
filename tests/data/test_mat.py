"""MATLAB's files: what SciPy writes is read back, and damage is one line and no crash."""

import numpy as np
import pytest
from scipy.io import savemat

from jaxgen.data import mat
from jaxgen.errors import UserError

RNG = np.random.default_rng(0)
ARRAYS = {
    "X": RNG.integers(0, 256, (3, 4, 2, 5), np.uint8),
    "y": RNG.integers(-9, 9, (5, 1)).astype(np.int16),
    "f": RNG.normal(size=(2, 3)),
    "g": RNG.normal(size=(1, 3)).astype(np.float32),
    "a_long_name_of_a_number": np.array([[7]], np.uint64),
    "none": np.zeros((0, 2)),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_those_that_scipy_wrote(tmp_path, compressed):
    savemat(tmp_path / "a.mat", {**ARRAYS, "text": "left out", "z": np.ones(2) * 1j}, do_compression=compressed)
    arrays = mat.read(tmp_path / "a.mat")
    assert set(arrays) == set(ARRAYS)
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].dtype == expected.dtype


def element(kind, data):
    return np.array([kind, len(data)], "<u4").tobytes() + data + bytes(-len(data) % 8)


def matrix(data, shape=(2, 2), kind=9, stored=2):
    """An array as MATLAB writes it. kind: of its class. stored: the type of its numbers."""
    parts = element(6, np.array([kind, 0], "<u4").tobytes()), element(5, np.array(shape, "<i4").tobytes())
    return element(14, b"".join([*parts, element(1, b"X"), element(stored, data)]))


def written(tmp_path, data, version=b"\x00\x01IM"):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + version + data)
    return path


def test_whole_numbers_that_matlab_stores_as_bytes_keep_their_class(tmp_path):
    found = mat.read(written(tmp_path, matrix(bytes([1, 2, 3, 10]), (4, 1), kind=6)))["X"]
    np.testing.assert_array_equal(found, [[1.0], [2.0], [3.0], [10.0]])
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("data", "version", "words"),
    [
        (b"", b"\x00\x02IM"[:2] + b"xx", "does not start as a .mat file of version 5"),
        (b"\x0e\x00\x00", b"\x00\x01IM", "an element has no header"),
        (element(14, bytes(16))[:20], b"\x00\x01IM", "an element of 16 bytes has 12"),
        (matrix(bytes(4), (2, 3)), b"\x00\x01IM", r"the array 'X' does not fill its shape \[2, 3\]"),
        (matrix(bytes(4), (-2, -2)), b"\x00\x01IM", r"the array 'X' does not fill"),
        (matrix(bytes(4), (2**30, 2**30, 16)), b"\x00\x01IM", r"the array 'X' does not fill"),
        (matrix(bytes(1), (1,) * 40), b"\x00\x01IM", "has 40 axes"),
        (matrix(bytes(4), stored=99), b"\x00\x01IM", r"the array 'X' does not fill"),
        (element(14, element(6, bytes(4)) * 4), b"\x00\x01IM", "described in a way that MATLAB does not write"),
        (element(15, b"no zlib"), b"\x00\x01IM", "damaged"),
        (element(15, b""), b"\x00\x01IM", "a compressed element has no header"),
    ],
)
def test_damage_is_one_line(tmp_path, data, version, words):
    with pytest.raises(UserError, match=words) as error:
        mat.read(written(tmp_path, data, version))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_cut_file_is_one_line(tmp_path, compressed):
    savemat(tmp_path / "a.mat", {"X": ARRAYS["X"]}, do_compression=compressed)
    whole = (tmp_path / "a.mat").read_bytes()
    for size in (0, 100, 128 + 4, 128 + 9, len(whole) // 2, len(whole) - 9):
        (tmp_path / "a.mat").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"a\.mat is truncated or damaged"):
            mat.read(tmp_path / "a.mat")


def test_a_file_unpacks_to_no_more_than_its_header_says(tmp_path):
    import zlib

    inner = zlib.compress(np.array([14, 8], "<u4").tobytes() + bytes(10_000_000))
    with pytest.raises(UserError, match="a compressed element of 8 bytes"):
        mat.read(written(tmp_path, element(15, inner)))
