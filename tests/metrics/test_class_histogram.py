import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import class_histogram
from jaxgen.metrics.class_histogram import compare

from .stand_ins import Images, given, measure

NAMES = ("cat", "dog", "ship", "frog")
CENTRES = np.random.default_rng(9).normal(size=(4, 12)) * 4


def _draw(seed, n, shares=(0.25, 0.25, 0.25, 0.25)):
    r = np.random.default_rng(seed)
    labels = r.choice(4, size=n, p=shares)
    return (CENTRES[labels] + r.normal(size=(n, 12))).astype(np.float32), labels


def _measure(fake, *, real=None, labelled=True, **more):
    train, real = _draw(0, 600), real or _draw(1, 400)
    sets = {
        "train": Images(*train, NAMES, extractor=given()),
        "real": Images(real[0], real[1] if labelled else None, NAMES, extractor=given()),
    }
    return measure(class_histogram, fake, **sets, extractor=given(), **more)


def test_shares_and_divergence_of_a_known_mixture():
    shares = (0.4, 0.3, 0.3, 0)
    fake, labels = _draw(2, 1000, shares)
    real = _draw(1, 400)
    result = _measure(fake, real=real)
    assert result["classifier_accuracy"] > 0.99
    counts, counts_real = (np.bincount(x, minlength=4) for x in (labels, real[1]))
    assert list(result["shares"]) == list(NAMES)
    np.testing.assert_allclose(list(result["shares"].values()), counts / 1000, atol=0.005)
    expected = np.abs(counts / 1000 - counts_real / 400).sum() / 2
    assert result["value"] == pytest.approx(expected, abs=0.01)
    assert result["missing_classes"] == 1
    assert result["value"] > 5 * result["value_by_chance"]


def test_equal_histograms_are_at_what_chance_gives():
    values = [_measure(_draw(seed, 400)[0]) for seed in range(2, 8)]
    by_chance = np.mean([result["value_by_chance"] for result in values])
    assert np.mean([result["value"] for result in values]) == pytest.approx(by_chance, rel=0.6)
    assert all(result["missing_classes"] == 0 for result in values)


def test_divergences_equal_their_definitions():
    result = compare(np.array([0, 30, 70]), np.array([10, 40, 0]), seed=0)
    p, q = np.array([0.5, 30.5, 70.5]) / 101.5, np.array([10.5, 40.5, 0.5]) / 51.5
    assert result["kl"] == pytest.approx(np.sum(p * np.log(p / q)))
    assert result["value"] == pytest.approx((0.2 + 0.5 + 0.7) / 2)
    assert result["missing_classes"] == 1
    same = compare(np.array([20, 30]), np.array([40, 60]), seed=0)
    assert same["value"] == 0


def test_the_spread_is_that_over_draws():
    real, shares = np.array([50, 50, 50, 50]), (0.4, 0.3, 0.2, 0.1)
    draws = [compare(np.random.default_rng(s).multinomial(500, shares), real, 0) for s in range(200)]
    over_draws = np.std([draw["value"] for draw in draws])
    assert np.mean([draw["spread"] for draw in draws]) == pytest.approx(over_draws, rel=0.15)


def test_is_independent_of_the_batch_size_and_needs_no_real_labels():
    fake = _draw(3, 150)[0]
    results = [_measure(fake, labelled=False, batch_size=size) for size in (11, 150)]
    assert results[0] == results[1]
    assert results[0]["classifier_accuracy"] is None


def test_the_classifier_learns_from_a_seeded_choice_of_the_labels(monkeypatch):
    monkeypatch.setattr(class_histogram, "MAX_TRAIN", 40)
    fake = _draw(3, 150)[0]
    result = _measure(fake)
    assert result["classifier_examples"] == 40
    assert result == _measure(fake)


def test_labels_of_one_class_are_refused():
    x = np.zeros((10, 12), np.float32)
    with pytest.raises(UserError, match="one class only"):
        measure(class_histogram, x, train=x, real=x, labels=(np.zeros(10), None), extractor=given())
