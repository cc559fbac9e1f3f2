import numpy as np
import pytest
from PIL import Image

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.runs.sources import Options, open_source, same_kind

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def _open(spec, **options):
    return open_source(str(spec), Options(**options), "--real")


@pytest.fixture
def folder(tmp_path):
    for i, image in enumerate(PIXELS):
        path = tmp_path / "data" / ("train" if i < 4 else "test") / f"{'ab'[i % 2]}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "data"


def test_a_folder_and_a_part_of_it(folder):
    whole, part = _open(folder), _open(f"{folder}:test")
    assert (len(whole.images), len(part.images)) == (6, 2)
    assert part.labels.tolist() == [0, 1]
    assert part.class_names == ("test/a", "test/b")
    assert np.array_equal(part.images[np.arange(2)], PIXELS[4:])
    with pytest.raises(UserError, match=r"holds no images .*It holds nothing. The whole has the folders test, train"):
        _open(f"{folder}:valid")


def test_arrays(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    np.savez(tmp_path / "x.npz", images=PIXELS, labels=np.array([0, 1, 2, 0, 1, 2]))
    np.savez(tmp_path / "plain.npz", PIXELS)
    assert np.array_equal(_open(tmp_path / "x.npy").images, PIXELS)
    assert np.array_equal(_open(tmp_path / "plain.npz").images, PIXELS)
    source = _open(tmp_path / "x.npz")
    assert np.array_equal(source.images, PIXELS)
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert _open(tmp_path / "x.npz", channels=1).images.shape == (6, 8, 8, 1)


@pytest.mark.parametrize("array", [PIXELS.astype(np.float32), PIXELS[0], PIXELS[..., :2], PIXELS[:0]])
def test_arrays_that_are_no_images_are_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError, match="must be uint8"):
        _open(tmp_path / "x.npy")


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        _open(tmp_path / "x.npy")


def test_damaged_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", PIXELS)
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"x\.npz"):
        _open(tmp_path / "x.npz")


def test_statistics(tmp_path):
    statistics = FeatureStatistics.of(np.random.default_rng(0).normal(size=(9, 4)))
    statistics_file.save(tmp_path / "s.npz", statistics, {"extractor": "e"})
    source = _open(tmp_path / "s.npz")
    assert source.images is None
    assert (source.statistics.n, source.statistics.metadata["extractor"]) == (9, "e")
    np.savez(tmp_path / "published.npz", mu=statistics.mean, sigma=statistics.covariance())
    assert _open(tmp_path / "published.npz").statistics.n is None
    np.savez(tmp_path / "bad.npz", mu=statistics.mean, sigma=statistics.covariance()[:2])
    with pytest.raises(UserError, match="damaged"):
        _open(tmp_path / "bad.npz")


def test_data_sets():
    source = _open("digits:test")
    assert source.images.shape[1:] == (8, 8, 1)
    assert len(source.labels) == len(source.images)
    with pytest.raises(UserError, match="digits has the splits"):
        _open("digits:valid")
    with pytest.raises(UserError, match="no data set 'digitz'"):
        _open("digitz:test")


@pytest.mark.parametrize(
    ("spec", "said"), [("", "empty"), ("nothing", "no such file"), ("run:nowhere", "no run there")]
)
def test_what_names_nothing(tmp_path, monkeypatch, spec, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"--real.*{said}"):
        _open(spec)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(UserError, match="neither a folder"):
        _open(tmp_path / "x.txt")


def test_images_that_do_not_compare():
    with pytest.raises(UserError, match=r"--real=a is RGB, but --fake=b is grayscale.*--channels=3"):
        same_kind(PIXELS, PIXELS[..., :1], "a", "b")
    with pytest.raises(UserError, match=r"8x8.*4x8"):
        same_kind(PIXELS, PIXELS[:, :, :4], "a", "b")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1, 2, 0, 0], "labels holds the label -1"),
        ([0, 3_000_000, 1, 2, 0, 0], "the label 3000000, but 6 images have labels below 100000"),
        (np.full(6, 2**64 - 1, np.uint64), "the label 18446744073709551615"),
        (np.zeros(6), r"labels holds float64 \[6\]\. It must hold 6 whole numbers"),
        ([float("nan")] * 6, "float64"),
        (["cat"] * 6, "<U3"),
        ([True] * 6, "bool"),
        ([[0]] * 6, r"int64 \[6, 1\]"),
        ([0], r"int64 \[1\]"),
        (np.array([{}] * 6, object), "cannot be read"),
    ],
)
def test_labels_in_an_npz_that_are_no_class_numbers(tmp_path, labels, message):
    np.savez(tmp_path / "x.npz", images=PIXELS, labels=labels)
    with pytest.raises(UserError, match=message):
        _open(tmp_path / "x.npz")


def test_vectors_that_are_not_finite_are_refused(tmp_path):
    vectors = np.zeros((5, 3), np.float32)
    vectors[1:3, 2] = np.nan
    np.save(tmp_path / "x.npy", vectors)
    with pytest.raises(UserError, match="vectors that are not finite in 2 rows"):
        _open(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"junk"])
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_files_that_are_no_arrays(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        _open(tmp_path / name)


def test_a_source_says_what_was_read(tmp_path, caplog):
    for i, image in enumerate(PIXELS):
        (tmp_path / "x" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "x" / "ab"[i % 2] / f"{i}.png")
    (tmp_path / "x" / "a" / "0.heic").write_text("")
    np.savez(tmp_path / "x.npz", images=PIXELS, labels=np.array([0, 1, 2, 0, 1, 2]), y=np.zeros(6))
    with caplog.at_level("INFO", logger="jaxgen"):
        folder, array = _open(tmp_path / "x"), _open(tmp_path / "x.npz")
        digits = _open("digits:test", cache_dir=str(tmp_path))
    assert folder.read == "6 images (a 3, b 3), 8x8 RGB. Left out: 1 .heic"
    assert array.read == "6 images (0 2, 1 2, 2 2), 8x8 RGB. Left out: 1 array y"
    assert digits.read.startswith("digits: test 360 images (10 classes of ")
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == f"--real={tmp_path / 'x'}: {folder.read}"
    assert said[2] == f"data: {digits.read}"
    with pytest.raises(UserError, match=r"--real=.*/x:a/0 holds no images .* It holds nothing"):
        _open(f"{tmp_path / 'x'}:a/0")


def test_a_source_with_dark_images_of_16_bits_warns(tmp_path, caplog):
    for i in range(40):
        Image.fromarray(np.full((4, 4), 100 * i, np.uint16)).save(tmp_path / f"{i:02}.png")
    (tmp_path / "00.png").write_bytes((tmp_path / "01.png").read_bytes())
    with caplog.at_level("WARNING", logger="jaxgen"):
        _open(tmp_path)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "the largest value of 16 images with 16 bits is 3,900 of 65,535" in line
