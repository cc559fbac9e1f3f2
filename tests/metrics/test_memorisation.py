import math

import numpy as np
import pytest
from scipy.stats import norm

from jaxgen.metrics import memorisation
from jaxgen.metrics.memorisation import compared, nearness

from .stand_ins import Images, given, measure, projection


def _features(seed, n, size=10):
    mixing = np.random.default_rng(99).normal(size=(size, 16))
    return (np.random.default_rng(seed).normal(size=(n, size)) @ mixing).astype(np.float32)


TRAIN, HELD_OUT = _features(0, 2000), _features(1, 1000)


LABELS = np.arange(2000) % 4, np.zeros(1000, int)  # of no meaning, so that no clusters are fitted


def _measure(fake, **more):
    return measure(memorisation, fake, train=TRAIN, real=HELD_OUT, extractor=given(), labels=LABELS, **more)


def test_a_copy_of_the_training_set_is_found():
    result = _measure(TRAIN[:1000])
    assert result["found"]
    assert result["value"] == 1.0
    assert result["exact_copies"] == 1000
    assert result["probability_nearer"] == 1.0
    assert result["rank_z"] > 30
    assert result["closest_pairs"] == [[i, i] for i in range(16)]
    assert result["n_train"] == 2000


def test_the_test_set_and_fresh_draws_are_not():
    itself = _measure(HELD_OUT)
    assert not itself["found"]
    assert itself["value"] == itself["share_held_out"] == 0.01
    assert itself["probability_nearer"] == 0.5
    assert itself["exact_copies"] == 0
    assert itself["p_value"] > 0.3
    fresh = [nearness(TRAIN, HELD_OUT, _features(seed, 1000), LABELS[0]) for seed in range(2, 12)]
    assert not any(result["found"] for result in fresh)
    assert np.mean([result["value"] for result in fresh]) == pytest.approx(0.01, abs=0.005)
    assert np.mean([result["probability_nearer"] for result in fresh]) == pytest.approx(0.5, abs=0.02)


def test_a_few_near_copies_among_fresh_samples_are_found():
    fake = _features(2, 1000)
    fake[::40] = TRAIN[:25] + 0.01 * _features(3, 25)
    result = _measure(fake)
    assert result["found"]
    assert result["value"] == pytest.approx(0.035, abs=0.008)
    assert result["exact_copies"] == 0
    pairs = {tuple(pair) for pair in result["closest_pairs"]}
    assert pairs <= {(40 * i, i) for i in range(25)}


def test_a_poor_model_is_no_memoriser():
    result = _measure(_features(2, 1000) + 30)
    assert not result["found"]
    assert result["value"] == 0
    assert result["probability_nearer"] < 0.01


def test_the_numbers_equal_their_definitions():
    train, held_out, fake = _features(4, 150), _features(5, 120), _features(6, 140)
    fake[:9] = train[:9] + 0.1
    nearest = [np.sqrt(np.square(x[:, None].astype(np.float64) - train[None]).sum(2)).min(1) for x in (fake, held_out)]
    result = nearness(train, held_out, fake, np.arange(150) % 2)
    within = np.sort(nearest[1])[1]  # the 2nd of 120: at least a hundredth
    assert result["threshold"] == pytest.approx(within, rel=1e-9)
    assert result["value"] == (nearest[0] <= within * (1 + 1e-9)).mean()
    nearer = (nearest[0][:, None] < nearest[1][None]).mean()
    assert result["probability_nearer"] == pytest.approx(nearer)
    assert result["rank_z"] == pytest.approx((nearer - 0.5) / np.sqrt(261 / (12 * 140 * 120)))
    assert result["median_distance"] == pytest.approx(np.median(nearest[0]))


def _of_classes(seed, n, shares):
    """Features and classes. Those of class 0 lie close to each other, those of the last far apart."""
    r = np.random.default_rng(seed)
    classes = r.choice(len(shares), size=n, p=shares)
    width = np.array([0.2, 0.8, 1.0, 1.2])[classes]
    centres = 6 * np.random.default_rng(5).normal(size=(4, 16))
    return (centres[classes] + width[:, None] * _features(seed + 1000, n)).astype(np.float32), classes


@pytest.mark.full
@pytest.mark.parametrize("with_labels", [True, False])
def test_missing_classes_are_no_memorisation_and_copies_among_them_are(with_labels, monkeypatch):
    monkeypatch.setattr(memorisation, "CLUSTERS", 4)
    train, classes = _of_classes(0, 1500, [0.25] * 4)
    held_out, _ = _of_classes(1, 1500, [0.25] * 4)
    labels = classes if with_labels else None
    some = [_of_classes(seed, 600, [0.9, 0.0, 0.1, 0.0])[0] for seed in range(2, 8)]
    results = [nearness(train, held_out, fake, labels) for fake in some]
    assert min(result["value"] for result in results) > 0.02  # which the held-out images as a whole do not explain
    assert not any(result["found"] for result in results)
    for result in results:
        assert result["expected_share"] == pytest.approx(result["value"], abs=0.02)
    some[0][:15] = train[classes == 2][:15]
    assert nearness(train, held_out, some[0], labels)["found"]


def test_the_p_value_is_that_of_permuting_sides_within_kinds():
    r = np.random.default_rng(0)
    kind, kind_real = r.integers(3, size=60), r.integers(3, size=90)
    near, near_real = r.random(60) < 0.1 * (1 + kind), r.random(90) < 0.06 * (1 + kind_real)
    near_real[:3] = True
    expected, chance = compared(near, kind, near_real, kind_real)
    both, of = np.concatenate([near, near_real]), np.concatenate([kind, kind_real])
    shares = [near_real[kind_real == k].mean() for k in range(3)]
    assert expected == pytest.approx(sum((kind == k).mean() * shares[k] for k in range(3)))
    sides, hits = np.arange(150) < 60, []
    for _ in range(4000):
        for k in range(3):
            sides[of == k] = r.permutation(sides[of == k])
        hits.append(both[sides].sum())
    assert chance == pytest.approx(np.mean(np.array(hits) >= near.sum()), abs=0.03)


def test_the_p_value_of_many_near_images_is_that_of_the_normal_approximation():
    near, near_real = np.arange(3000) < 1560, np.arange(3000) < 1500
    chance = compared(near, np.zeros(3000, int), near_real, np.zeros(3000, int))[1]
    deviation = np.sqrt(3000 * 0.51 * 0.49 * 3000 / 5999)
    assert chance == pytest.approx(norm.sf((1560 - 1530 - 0.5) / deviation), rel=0.02)


def test_kinds_without_held_out_images_do_not_decide():
    kind = np.repeat([0, 1], 50)
    near, near_real = kind == 1, np.arange(100) < 10
    expected, chance = compared(near, kind, near_real, np.zeros(100, int))
    assert expected == pytest.approx(0.1)
    assert chance == pytest.approx(1.0)


def test_held_out_images_that_are_training_images_tell_nothing_and_it_says_so():
    result = measure(
        memorisation,
        _features(2, 500),
        train=TRAIN,
        real=TRAIN[:500],
        extractor=given(),
        labels=(LABELS[0], LABELS[1][:500]),
    )
    assert math.isnan(result["value"])
    assert "training images" in result["note"]
    assert not result["found"]


def test_copies_of_pixels_are_counted_at_any_batch_size():
    r = np.random.default_rng(0)
    train, real, fake = (r.integers(256, size=(n, 4, 4, 1)).astype(np.uint8) for n in (300, 100, 120))
    fake[3:8] = train[100:105]
    sets = [Images(images, np.zeros(len(images)), extractor=projection()) for images in (train, real)]
    results = [
        measure(memorisation, fake, train=sets[0], real=sets[1], extractor=projection(), batch_size=size)
        for size in (7, 120)
    ]
    assert results[0] == results[1]
    assert results[0]["exact_copies"] == 5
    assert results[0]["closest_pairs"][:5] == [[3 + i, 100 + i] for i in range(5)]
