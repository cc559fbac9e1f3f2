import types

import numpy as np
import pytest
from PIL import Image

from jaxgen.evaluation.gallery import Gallery, nearest_by_pixels
from jaxgen.metrics.base import Context, OutputBatch

R = np.random.default_rng(0)
REAL, TRAIN, FAKE = (R.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8) for n in (90, 40, 30))


def _extract(images):
    features = np.asarray(images).reshape(len(images), -1).astype(np.float32)
    return features, features[:, :2]


def _set(images, labels=None, names=()):
    def features_of(ids, extractor):
        assert extractor == "pixels"
        return _extract(images[ids])[0]

    return types.SimpleNamespace(images=images, labels=labels, class_names=names, features_of=features_of)


def _draw(folder, batch_size=7, **changes):
    options = {"real": _set(REAL), "train": _set(TRAIN), "extractor": "pixels"}
    gallery = Gallery(Context(len(REAL), len(FAKE), 0, **{**options, **changes}), folder)
    for first in range(0, len(FAKE), batch_size):
        part = FAKE[first : first + batch_size]
        gallery.update(OutputBatch(part, len(part), None, lambda name: types.SimpleNamespace(apply=_extract)))
    return set(gallery.result())


def test_pictures_of_pixels_and_features(tmp_path):
    names = {"real_beside_fake", "nearest_training_images", "figure2", "closest_pairs", "tsne"}
    assert _draw(tmp_path) == names
    assert {path.name for path in tmp_path.iterdir()} == {"features.npz", *(f"{name}.png" for name in names)}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 100
            assert len(image.convert("RGB").getcolors(2**24)) > 20


def test_features_are_left_for_pictures_of_several_models(tmp_path):
    _draw(tmp_path)
    with np.load(tmp_path / "features.npz") as left:
        real, fake = (_extract(images)[0] for images in (REAL, FAKE))
        np.testing.assert_allclose(left["real"], real, rtol=1e-3)
        assert left["fake"].shape == fake.shape
        assert {tuple(row) for row in left["fake"]} == {tuple(row) for row in np.asarray(fake, np.float16)}
        assert str(left["extractor"])


def test_features_of_samples_are_those_that_the_metrics_asked_the_batch_for(tmp_path):
    asked = []

    def extract(images):
        asked.append(len(images))
        return _extract(images)

    batch = OutputBatch(FAKE, len(FAKE), None, lambda name: types.SimpleNamespace(apply=extract))
    batch.features("pixels")
    context = Context(len(REAL), len(FAKE), 0, real=_set(REAL), train=_set(TRAIN), extractor="pixels")
    (gallery := Gallery(context, tmp_path)).update(batch)
    assert "closest_pairs" in gallery.result()
    assert asked == [len(FAKE)]


def test_labels_add_the_classes(tmp_path):
    real = _set(REAL, np.arange(90) % 3, ("a", "b", "c"))
    assert "samples_by_class" in _draw(tmp_path, real=real)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"extractor": None, "train": None}, {"real_beside_fake"}),
        ({"real": _set(None), "train": None}, {"closest_pairs"}),
    ],
)
def test_what_is_not_there_is_not_drawn(tmp_path, changes, names):
    assert _draw(tmp_path, **changes) == names


def test_the_batch_size_changes_no_picture(tmp_path):
    _draw(tmp_path / "a", batch_size=7)
    _draw(tmp_path / "b", batch_size=30)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_nearest_training_images_across_pieces(monkeypatch):
    monkeypatch.setattr("jaxgen.evaluation.gallery._TRAIN_AT_ONCE", 16)
    found = nearest_by_pixels(FAKE, TRAIN, 5)
    distances = np.linalg.norm((FAKE[:, None].astype(float) - TRAIN[None]).reshape(30, 40, -1), axis=-1)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1)[:, :5])
