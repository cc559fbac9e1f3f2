import hashlib
import pickle

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import weights_file
from jaxgen.metrics.extractors.weights_file import Published, check_shapes, located, read

SHAPES = {"a": (2, 3), "b": (4,)}
TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones(4, np.float32),
    "more": np.zeros(1, np.float32),
}


@pytest.fixture
def file(tmp_path, save_torch):
    return save_torch(tmp_path / "w.pth", TENSORS)


def _published(data, url="http://127.0.0.1:1/w.pth"):
    return Published("the test network", "w.pth", url, hashlib.sha256(data).hexdigest())


def _one_line(call, match):
    with pytest.raises(UserError, match=match) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_published_file_is_read(file):
    tensors, digest = read(file, _published(file.read_bytes()), SHAPES, allow_other=False)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_other_files_only_where_allowed(file):
    other = _published(b"another")
    line = _one_line(
        lambda: read(file, other, SHAPES, allow_other=False), r"w\.pth: not the weights of the test network"
    )
    assert other.url in line
    assert read(file, other, SHAPES, allow_other=True)[1] != other.sha256


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"a": None}, r"w\.pth: 1 tensor is missing: a;"),
        ({"a": None, "b": None}, r"2 tensors are missing: a, b;"),
        ({"a": np.zeros((3, 2))}, r"1 tensor is of another shape: a \(3, 2\), not \(2, 3\)"),
        ({"b": np.array([0, np.nan, 0, 0])}, r"w\.pth: b has values that are not finite"),
    ],
    ids=["one missing", "two missing", "shape", "nan"],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, save_torch, change, match):
    tensors = {name: values for name, values in {**TENSORS, **change}.items() if values is not None}
    path = save_torch(tmp_path / "w.pth", tensors)
    _one_line(lambda: read(path, _published(b""), SHAPES, allow_other=True), match)


def test_only_three_names_are_listed():
    expected = {f"t{i}": (1,) for i in range(9)}
    assert _one_line(lambda: check_shapes({}, expected, "here"), "9 tensors are missing").count("t") < 40
    _one_line(lambda: check_shapes({}, expected, "here"), r"t0, t1, t2, \.\.\.;")


def test_files_without_tensors_by_name(tmp_path):
    pickled = b"\x80\x02]q\x00."
    with pytest.raises(UserError, match=r"no\.pth: cannot be read"):
        read(tmp_path / "no.pth", _published(b""), SHAPES, allow_other=True)
    (tmp_path / "w.pth").write_bytes(
        b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})) + pickled + pickle.dumps([], 2)
    )
    _one_line(lambda: read(tmp_path / "w.pth", _published(b""), SHAPES, allow_other=True), "holds a list, not tensors")


class _Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_run_something_does_not(tmp_path):
    target, path = tmp_path / "made", tmp_path / "w.pth"
    code = pickle.dumps(_Attack(target), 2)
    path.write_bytes(b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})) + code)
    _one_line(lambda: read(path, _published(path.read_bytes()), SHAPES, allow_other=True), r"w\.pth: .* 'io\.open'")
    assert not target.exists()
    pickle.loads(code).close()
    assert target.exists()  # so the attack is a real one


def test_fetched_once_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    published, calls = _published(b"data"), []

    def fetch(url, target, sha256, **options):
        calls.append((url, sha256, options["what"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"data")

    monkeypatch.setattr(weights_file, "fetch", fetch)
    for _ in range(2):
        assert located(published) == tmp_path / "weights" / "w.pth"
    assert calls == [(published.url, published.sha256, "the test network")]


def test_a_failed_download_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    published = _published(b"data")  # at an address where nothing listens
    line = _one_line(lambda: located(published), r"downloading w\.pth failed")
    assert f"get {published.url} and put it at {tmp_path / 'weights' / 'w.pth'}" in line
    assert not (tmp_path / "weights" / "w.pth").exists()
