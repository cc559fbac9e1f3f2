import itertools
import logging

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import image_set as module
from jaxgen.metrics import resumed
from jaxgen.metrics.extractors import statistics_file
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


def image_set(folder, images, streamed, weights="0", stop_after=None, statistics=None):
    """A set of which the pixels' means are the features; `streamed` takes note of every pass over the images."""

    class Counted(ExampleStream):
        def __call__(self, total, what, first=0):
            streamed.append(what)
            return itertools.islice(super().__call__(total, what, first), stop_after)

    def apply(batch):
        return batch.reshape(len(batch), 2, -1).mean(2, dtype=np.float32), np.zeros((len(batch), 3), np.float32)

    extractor = Extractor("means", weights, 2, "none", "none", 2, apply, label="means")
    source = ImageSource(images, split="x:test", statistics=statistics)
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


def _killed_after(monkeypatch, folder, batches, what="statistics", **options):
    """A process that makes statistics, or features, and ends in their middle."""
    monkeypatch.setattr(resumed, "_SAVE_EVERY", 0.0)
    cut_off = image_set(folder, IMAGES, [], stop_after=batches, **options)
    monkeypatch.setattr(cut_off._cache, "get", lambda what, extractor, metadata, compute: compute())
    getattr(cut_off, what)("means")


def test_statistics_go_on_where_a_killed_process_ended(tmp_path, monkeypatch, caplog):
    whole = image_set(None, IMAGES, []).statistics("means")
    _killed_after(monkeypatch, tmp_path, 2)
    (part,) = tmp_path.glob("*")
    assert part.name.endswith(".part.npz")
    seen = []
    rest = image_set(tmp_path, IMAGES, [])
    apply = rest._extractor("means").apply
    extractor = rest._extractor("means")._replace(apply=lambda batch: seen.append(len(batch)) or apply(batch))
    rest._extractor = lambda name: extractor
    with caplog.at_level(logging.INFO, "jaxgen"):
        resumed = rest.statistics("means")
    assert "going on after 2000 images" in caplog.text
    assert seen == [500]
    for ours, theirs in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    (kept,) = tmp_path.glob("*")  # the part is gone
    assert kept == rest.kept_at("means")
    np.testing.assert_allclose(statistics_file.load(kept).covariance, whole.covariance())


def test_features_go_on_where_a_killed_process_ended(tmp_path, monkeypatch, caplog):
    whole = image_set(None, IMAGES, []).features("means")
    _killed_after(monkeypatch, tmp_path, 2, "features")
    (part,) = tmp_path.glob("*")
    assert part.name.startswith("features_")
    assert part.name.endswith(".part.npz")
    images = image_set(tmp_path, IMAGES, [])
    with caplog.at_level(logging.INFO, "jaxgen"):
        np.testing.assert_array_equal(images.features("means"), whole)
    assert "going on after 2000 images" in caplog.text
    (kept,) = tmp_path.glob("*")  # the part is gone
    assert kept == images.kept_at("means", "features")


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_part_that_is_damaged_or_of_something_else_is_not_used(tmp_path, monkeypatch, caplog, damage):
    _killed_after(monkeypatch, tmp_path, 2)
    (part,) = tmp_path.glob("*")
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-200])
    else:
        with np.load(part) as arrays:
            statistics_file.write_arrays(part, **{**arrays, "metadata": np.array("{}")})
    resumed = image_set(tmp_path, IMAGES, []).statistics("means")
    assert resumed.n == 2500
    assert ("cannot be used" in caplog.text) == (damage == "cut")


def test_what_must_still_pass_the_network_is_counted(tmp_path):
    images = image_set(tmp_path, IMAGES, [])
    assert (images.missing("means", "statistics"), images.missing("means", "features")) == (2500, 2500)
    images.statistics("means")
    again = image_set(tmp_path, IMAGES, [])
    assert (again.missing("means", "statistics"), again.missing("means", "features")) == (0, 2500)
    again.features("means")
    assert again.missing("means", "features") == 0
    assert image_set(None, IMAGES, []).missing("means", "statistics") == 2500


def test_given_statistics_serve_beside_the_images_that_they_are_of(tmp_path):
    made = image_set(None, IMAGES, [])
    extractor = made._extractor("means")
    statistics_file.save(tmp_path / "s.npz", made.statistics("means"), {**made.metadata(extractor), "split": "other"})
    saved, streamed = statistics_file.load(tmp_path / "s.npz"), []
    given = image_set(None, IMAGES, streamed, statistics=saved)
    np.testing.assert_allclose(given.statistics("means").scatter, made.statistics("means").scatter)
    assert not streamed
    assert given.missing("means", "statistics") == 0
    with pytest.raises(UserError, match=r"x:test: the saved statistics are of other images \(other, 2500 images\)"):
        image_set(None, IMAGES[:-1], [], statistics=saved).statistics("means")
    changed = IMAGES.copy()
    changed[0] ^= 1
    with pytest.raises(UserError, match="of other images"):
        image_set(None, changed, [], statistics=saved).statistics("means")
    with pytest.raises(UserError, match="do not say which images they are of"):
        image_set(None, IMAGES, [], statistics=saved._replace(metadata=None)).statistics("means")
