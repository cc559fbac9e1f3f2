"""Modes of Stacked MNIST: counts and divergence in closed form, digits of known images, and what is refused."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.evaluation.engine import evaluate
from jaxgen.metrics import classifier, stacked_modes
from jaxgen.metrics.image_set import ImageSource
from tests.metrics.stand_ins import Images, NearestMean, measure

NAMES = tuple(f"{label:03d}" for label in range(1_000))


def test_counts_and_divergence_in_closed_form():
    every = np.arange(1_000)
    assert stacked_modes.shares(every) == {"covered": 1_000, "kl": 0.0, "kl_floor": 999 / 2_000}
    half = stacked_modes.shares(np.repeat(every[::2], 3))
    assert (half["covered"], half["kl"]) == (500, pytest.approx(np.log(2)))
    one = stacked_modes.shares(np.full(7, 123))
    assert (one["covered"], one["kl"]) == (1, pytest.approx(np.log(1_000)))
    uneven = stacked_modes.shares(np.array([5, 5, 5, 9]))
    assert uneven["kl"] == pytest.approx(0.75 * np.log(750) + 0.25 * np.log(250))


def test_the_floor_is_the_divergence_of_a_perfect_sampler():
    rng = np.random.default_rng(0)
    found = [stacked_modes.shares(rng.integers(1_000, size=26_000)) for _ in range(40)]
    assert np.mean([one["kl"] for one in found]) == pytest.approx(found[0]["kl_floor"], rel=0.03)
    assert found[0]["kl_floor"] == pytest.approx(0.0192, abs=5e-5)


def stacks(labels, seed):
    """Images [n, 8, 8, 3] whose digits are bars: digits 0 to 4 are rows, 5 to 9 are columns; with noise."""
    rng = np.random.default_rng(seed)
    patterns = np.zeros((10, 8, 8))
    for digit in range(5):
        patterns[digit, digit + 1] = patterns[digit + 5, :, digit + 1] = 200
    digits = stacked_modes.digits_of(labels)
    images = np.moveaxis(patterns[digits], 1, 3) + rng.uniform(0, 55, (len(labels), 8, 8, 3))
    return images.astype(np.uint8)


def sets():
    rng = np.random.default_rng(0)
    train, real = (rng.integers(1_000, size=n).astype(np.int32) for n in (1_500, 300))
    return Images(stacks(train, 1), train, NAMES), Images(stacks(real, 2), real, NAMES)


def test_samples_of_known_triples_are_counted(monkeypatch):
    monkeypatch.setattr(classifier, "train", NearestMean)
    train, real = sets()
    labels = np.random.default_rng(3).choice([7, 70, 123, 999], size=400, p=[0.1, 0.2, 0.3, 0.4])
    result = measure(stacked_modes, stacks(labels, 4), real=real, train=train)
    assert (result["value"], result["modes"], result["samples"]) == (4.0, 1_000, 400)
    share = np.bincount(labels)[[7, 70, 123, 999]] / 400
    assert result["kl_to_uniform"] == pytest.approx(np.sum(share * np.log(1_000 * share)))
    assert result["kl_floor"] == 999 / 800
    assert result["classifier_accuracy"] == result["classifier_accuracy_of_triples"] == 1.0
    assert result["modes_real"] == len(np.unique(real.labels))
    assert result["classifier_examples"] == 4_500


def test_digits_of_each_image_stand_in_the_order_of_its_colours():
    images, labels = stacks(np.array([123, 909]), 0), np.array([123, 909])
    singles, digits = stacked_modes.single_digits(images, labels)
    assert digits.tolist() == [1, 2, 3, 9, 0, 9]
    for i in range(6):
        np.testing.assert_array_equal(singles[i, ..., 0], images[i // 3, ..., i % 3])


def test_other_data_are_left_out():
    train, real = sets()
    settings = ConfigDict({"metrics": ("stacked_modes",), "num_samples": 4, "batch_size": 4, "seed": 0})
    settings.allow_few_samples = True
    of_digits = [ImageSource(part.images, part.labels % 3, ("a", "b", "c"), "other:test") for part in (train, real)]
    views = {"sample": lambda ids: train.images[ids]}
    results = evaluate(settings, of_digits[1], views, train=of_digits[0], progress=False)
    assert results["_skipped"] == {"stacked_modes": "needs 1,000 classes. other:test has 3"}
    assert stacked_modes.unsuitable((28, 28, 3)) is None
    assert "three colours" in stacked_modes.unsuitable((28, 28, 1))
