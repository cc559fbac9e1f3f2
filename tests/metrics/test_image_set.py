import logging

import numpy as np
import pytest

from jaxgen.metrics import image_set as module
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.image_set import Chosen, ImageSet, ImageSource, content_digest
from jaxgen.metrics.streaming import ExampleStream

IMAGES = np.random.default_rng(0).integers(0, 256, (2500, 2, 3, 1), dtype=np.uint8)


def test_chosen_images_are_read_when_they_are_asked_for():
    class Streamed:
        shape = IMAGES.shape
        asked = 0

        def __getitem__(self, ids):
            self.asked += len(ids)
            return IMAGES[ids]

    source = Streamed()
    ids = np.array([7, 3, 2000, 11])
    chosen = Chosen(source, ids)
    assert (len(chosen), chosen.shape, source.asked) == (4, (4, 2, 3, 1), 0)
    assert np.array_equal(chosen[np.array([2, 0])], IMAGES[[2000, 7]])
    assert np.array_equal(chosen[1:3], IMAGES[[3, 2000]])
    assert source.asked == 4


def test_the_digest_is_of_pixels_and_shape_wherever_they_lie(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    digest = content_digest(IMAGES)
    assert content_digest(np.load(tmp_path / "x.npy", mmap_mode="r")) == digest
    assert content_digest(Chosen(IMAGES, np.arange(len(IMAGES)))) == digest
    assert content_digest(IMAGES.reshape(2500, 3, 2, 1)) != digest
    changed = IMAGES.copy()
    changed[2400, 1, 2, 0] ^= 1
    assert content_digest(changed) != digest


def image_set(folder, images, streamed, weights="0"):
    """A set of which the pixels' means are the features; `streamed` takes note of every pass over the images."""

    class Counted(ExampleStream):
        def __call__(self, total, what):
            streamed.append(what)
            return super().__call__(total, what)

    def apply(batch):
        return batch.reshape(len(batch), 2, -1).mean(2, dtype=np.float32), np.zeros((len(batch), 3), np.float32)

    extractor = Extractor("means", weights, 2, "none", "none", 2, apply, label="means")
    source = ImageSource(images, split="x:test")
    return ImageSet(source, lambda name: extractor, Counted(1000), lambda batch: batch, folder)


def test_features_are_computed_once_for_all_evaluations(tmp_path, caplog, monkeypatch):
    streamed = []
    first = image_set(tmp_path, IMAGES, streamed).features("means")
    assert np.array_equal(first, IMAGES.reshape(2500, 2, -1).mean(2, dtype=np.float32))
    again = image_set(tmp_path, IMAGES, streamed)
    again.keep_features("means")
    assert np.array_equal(again.features("means"), first)
    assert again.statistics("means").mean == pytest.approx(first.mean(0, dtype=np.float64))
    assert len(streamed) == 1
    assert again.logits("means").shape == (2500, 3)  # those are not kept
    image_set(tmp_path, IMAGES[:-1], streamed).features("means")
    image_set(tmp_path, IMAGES, streamed, weights="1").features("means")
    image_set(None, IMAGES, streamed).features("means")
    assert len(streamed) == 5
    assert not caplog.text
    file = next(path for path in tmp_path.glob("features_*") if np.load(path)["features"].shape[0] == 2499)
    file.write_bytes(file.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING, "jaxgen"):
        repaired = image_set(tmp_path, IMAGES[:-1], streamed).features("means")
    assert "cached features cannot be used and are computed again" in caplog.text
    assert np.array_equal(repaired, first[:-1])
    monkeypatch.setattr(module, "_LARGEST_CACHED", 100)
    image_set(tmp_path, IMAGES, streamed).features("means")
    assert len(streamed) == 7


def test_features_of_some_images_are_computed_only_where_those_of_all_are_not_there(tmp_path):
    streamed, ids = [], np.array([7, 3, 2000])
    expected = IMAGES[ids].reshape(3, 2, -1).mean(2, dtype=np.float32)
    alone, whole = (image_set(folder, IMAGES, streamed) for folder in (None, tmp_path))
    assert np.array_equal(alone.features_of(ids, "means"), expected)
    assert not streamed
    whole.features("means")
    cached = image_set(tmp_path, IMAGES, streamed)
    cached.features("means")
    for known in (whole, cached):
        known._extractor = None
        assert np.array_equal(known.features_of(ids, "means"), expected)
    assert len(streamed) == 1
