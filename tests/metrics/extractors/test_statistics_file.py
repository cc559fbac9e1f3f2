"""Statistics files: right data or one line, whatever their bytes, arrays and metadata are."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.statistics_file import Mismatch
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.official.tensor_files import read_networks
from tests.helpers.examples import EXAMPLES, read_or_refused

FEATURES = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
METADATA = {"extractor": "e", "feature_size": 3, "n": 6}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file that jaxgen wrote."""
    path = tmp_path_factory.mktemp("statistics") / "a.npz"
    statistics_file.save(path, FeatureStatistics.of(FEATURES), METADATA)
    return path.read_bytes()


def written(path, **changes):
    arrays = {"mu": np.zeros(3), "sigma": np.eye(3), "metadata": np.array('{"n": 6, "ddof": 1}'), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def loaded(path):
    """What `load` gives. A Mismatch becomes the line that a user would see."""
    try:
        return statistics_file.load(path)
    except Mismatch as error:
        raise UserError(f"{path}: {error}") from None


def member(name, data):
    """A file with these bytes as one of its members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def test_what_was_saved_is_loaded(tmp_path, whole):
    (tmp_path / "a.npz").write_bytes(whole)
    saved = statistics_file.load(tmp_path / "a.npz")
    np.testing.assert_allclose(saved.mean, FEATURES.mean(0, dtype=float))
    np.testing.assert_allclose(saved.covariance, np.cov(FEATURES.T))
    assert saved.n == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mu": None}, "mu"),
        ({"mu": np.array(["1", "2", "3"])}, "no real numbers"),
        ({"mu": np.zeros(3, complex)}, "no real numbers"),
        ({"mu": np.zeros((3, 1))}, "shapes"),
        ({"sigma": np.eye(4)}, "shapes"),
        ({"sigma": np.float64([[1, 2, 0], [0, 1, 0], [0, 0, 1]])}, "sigma is no covariance"),
        ({"sigma": -np.eye(3)}, "sigma is no covariance"),
        ({"sigma": np.full((3, 3), np.inf)}, "not finite"),
        ({"metadata": np.array("not json")}, "damaged"),
        ({"metadata": np.array("[1]")}, "damaged"),
        ({"metadata": np.array("{}")}, "n"),
        ({"metadata": np.array('{"n": 1e400}')}, "n is inf"),
        ({"metadata": np.array('{"n": NaN}')}, "n is nan"),
        ({"metadata": np.array('{"n": true}')}, "n is True"),
        ({"metadata": np.array('{"n": 1}')}, "n is 1"),
        ({"metadata": np.array('{"n": "\\n"}')}, "n is"),
        ({"metadata": np.array("[" * 100_000)}, "damaged"),
        ({"mu": np.array([None, 1], object)}, "damaged"),
    ],
)
def test_what_is_no_statistics_is_one_line(tmp_path, changes, words):
    with pytest.raises(Mismatch, match=words) as error:
        statistics_file.load(written(tmp_path / "a.npz", **changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY\x01\x00\x04\x00{ ( ",  # a header that ends in a bracket, which Python's tokenizer refuses
        member("mu.npy", b"no array"),
        member("mu.npy", b"\x93NUMPY\x01\x00\x04\x00{ ( "),
        member(
            "mu.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99,), }".ljust(128)
        ),
    ],
    ids=["empty", "bracket", "no array", "member with a bracket", "too short"],
)
@pytest.mark.parametrize("read", [loaded, read_networks])
def test_bytes_that_are_no_arrays_are_one_line(tmp_path, data, read):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.npz"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("value", [1, 9, 99, 255])
def test_zip_directories_of_another_kind_are_one_line(tmp_path, whole, value):
    first = whole.index(b"PK\x01\x02")  # version, flags, compression and place of the first member
    for place in (first + 6, first + 8, first + 10, first + 45, *range(len(whole) - 22, len(whole))):
        data = bytearray(whole)
        data[place] = value
        (tmp_path / "a.npz").write_bytes(data)
        read_or_refused(lambda: loaded(tmp_path / "a.npz"))
        read_or_refused(lambda: read_networks(tmp_path / "a.npz"))


_NUMBERS = st.one_of(st.integers(2, 10), st.integers(-2, 2), st.floats(), st.booleans(), st.none(), st.text(max_size=2))
_DTYPES = st.sampled_from(["f8", "f8", "f4", "f2", "i4", "u1", "?", "c8", "U3", ">f8"])
_SHAPES = st.sampled_from([(3,), (3, 3), (), (0,), (0, 0), (1,), (1, 1), (2, 3)])


_BOTH = st.one_of(st.sampled_from([((3,), (3, 3)), ((1,), (1, 1)), ((2,), (2, 2))]), st.tuples(_SHAPES, _SHAPES))


@EXAMPLES
@given(shapes=_BOTH, dtypes=st.tuples(_DTYPES, _DTYPES), n=_NUMBERS, value=st.integers(-1, 2))
def test_any_arrays_are_loaded_or_refused_in_one_line(tmp_path_factory, shapes, dtypes, n, value):
    mean, sigma = zip(shapes, dtypes, strict=True)
    arrays = {"mu": np.full(mean[0], value).astype(mean[1]), "sigma": np.full(sigma[0], value).astype(sigma[1])}
    metadata = np.array(json.dumps({"n": n, "ddof": 1}))
    path = written(tmp_path_factory.mktemp("any") / "a.npz", metadata=metadata, **arrays)
    saved = read_or_refused(lambda: loaded(path))
    event("read" if saved else "refused")
    if saved is None:
        return
    assert saved.mean.shape == mean[0] == sigma[0][:1]
    assert saved.n == n
    assert saved.n >= 2
    np.testing.assert_array_equal(saved.mean, arrays["mu"])


@EXAMPLES
@given(cut=st.integers(0, 2000), place=st.integers(0, 2000), change=st.binary(max_size=6))
def test_any_damage_is_noticed_or_does_no_harm(tmp_path_factory, whole, cut, place, change):
    data = bytearray(whole)
    data[place : place + len(change)] = change
    path = tmp_path_factory.mktemp("any") / "a.npz"
    path.write_bytes(data[: len(data) - cut % len(data) if cut < 500 else len(data)])
    saved = read_or_refused(lambda: loaded(path))
    if saved is not None:  # the zip's checksums notice all that lies in an array
        np.testing.assert_allclose(saved.mean, FEATURES.mean(0, dtype=float))
        np.testing.assert_allclose(saved.covariance, np.cov(FEATURES.T))
        assert saved.n in (6, None)
