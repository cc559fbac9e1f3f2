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
    with pytest.raises(UserError, match=r"holds no images .*It holds the folders test, train"):
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
