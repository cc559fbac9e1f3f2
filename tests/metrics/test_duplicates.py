import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import duplicates
from jaxgen.metrics.duplicates import Closeness, Surroundings, close_pairs, count_pairs, near_duplicates

from .stand_ins import given, measure, projection


def _features(seed, n, size=8):
    mixing = np.random.default_rng(99).normal(size=(size, 16))
    r = np.random.default_rng(seed)
    return (r.normal(size=(n, size)) @ mixing).astype(np.float32)


def _repeat(x, share, seed=0, noise=0.01):
    """A copy of x in which this share of rows are near-copies of others."""
    r = np.random.default_rng(seed)
    chosen = r.permutation(len(x))[: 2 * round(share * len(x))].reshape(2, -1)
    out = x.copy()
    out[chosen[0]] = x[chosen[1]] + noise * r.normal(size=(chosen.shape[1], x.shape[1])).astype(np.float32)
    return out, {tuple(sorted(pair)) for pair in chosen.T.tolist()}


@pytest.mark.parametrize(("n_real", "n_fake"), [(1000, 1000), (400, 1200), (2000, 600)])
def test_one_percent_of_repeats_is_found(n_real, n_fake):
    fake, pairs = _repeat(_features(1, n_fake), 0.01)
    result = measure(duplicates, fake, real=_features(0, n_real), extractor=given())
    assert result["found"]
    assert result["value"] == pytest.approx(0.02, abs=0.001)  # both of each pair
    assert {tuple(pair) for pair in result["closest_pairs"][: len(pairs)]} <= pairs
    assert result["closest_ratios"] == sorted(result["closest_ratios"])
    assert result["p_value"] < 0.01


@pytest.mark.full
@pytest.mark.parametrize(("n_real", "n_fake"), [(400, 400), (300, 600), (600, 300)])
def test_fresh_draws_are_seldom_flagged_and_show_what_is_expected(n_real, n_fake):
    results = [near_duplicates(_features(2 * s, n_real), _features(2 * s + 1, n_fake), 0) for s in range(8)]
    assert not any(result["found"] for result in results)
    assert np.mean([result["value"] for result in results]) <= 3e-4
    assert {result["expected_share"] for result in results} == {duplicates.EXPECTED}


def test_the_expected_share_is_what_fresh_draws_have(monkeypatch):
    monkeypatch.setattr(duplicates, "EXPECTED", 0.004)  # not too rare to be counted
    shares = [near_duplicates(_features(2 * s, 400), _features(2 * s + 1, 500), 0)["value"] for s in range(12)]
    assert np.mean(shares) == pytest.approx(0.004, rel=0.6)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_set_of_another_scale_or_of_fewer_dimensions_is_no_finding(scale):
    """Blur makes images alike, noise makes them unlike: distances change, and none of the images is a repeat."""
    real, fake = _features(0, 600), _features(1, 600) * np.float32(scale)
    assert not near_duplicates(real, fake, 0)["found"]
    repeated, _ = _repeat(fake, 0.02, noise=0.01)
    assert near_duplicates(real, repeated, 0)["found"]


@pytest.mark.parametrize(("images", "noise"), [(1, 0.05), (4, 0.05), (60, 0.02)])
def test_a_few_images_again_and_again_are_found_although_all_their_surroundings_are_narrow(images, noise):
    r = np.random.default_rng(0)
    few = _features(1, images)[r.integers(images, size=500)]
    fake = few + noise * r.normal(size=few.shape).astype(np.float32)
    result = near_duplicates(_features(0, 600), fake, 0)
    assert result["found"]
    assert result["value"] > 0.9
    assert result["support"] < 2 * images


def test_a_part_of_the_classes_is_no_finding():
    centres = 4 * np.random.default_rng(5).normal(size=(10, 16)).astype(np.float32)
    widths = np.linspace(0.3, 1.5, 10, dtype=np.float32)  # of the classes: those of the first lie close to each other

    def drawn(seed, classes, n):
        of = np.random.default_rng(seed).integers(classes, size=n)
        return centres[of] + widths[of, None] * _features(seed, n)

    results = [near_duplicates(drawn(2 * s, 10, 800), drawn(2 * s + 1, 2, 800), 0) for s in range(5)]
    assert not any(result["found"] for result in results)


def test_the_dimension_is_that_of_the_data_and_the_threshold_follows_it():
    # Of uniform points in a cube of 3 dimensions, a ball of ratio * radius holds ratio^3 of what one of radius holds.
    closeness = Closeness.of(np.random.default_rng(0).uniform(size=(4000, 3)).astype(np.float32))
    assert closeness.dimension == pytest.approx(3, rel=0.25)
    for n in (1000, 4000, 16_000):
        exact = (duplicates.EXPECTED / (n * duplicates.SURROUNDINGS)) ** (1 / 3)
        assert closeness.threshold(n)[0] == pytest.approx(exact, rel=0.7)  # 10,000 times rarer than what was seen


def test_surroundings_hold_their_share_of_the_others():
    x = _features(3, 500)
    around = Surroundings.of(x)
    distances = np.sqrt(np.square(x[:, None].astype(np.float64) - x[None]).sum(2))
    shares = (distances <= around.radii[:, None]).mean(1) - 1 / 500  # without itself
    assert shares.mean() == pytest.approx(duplicates.SURROUNDINGS, rel=0.15)
    assert around.bulk == pytest.approx(np.median(distances[np.triu_indices(500, 1)]), rel=0.03)


def test_support_is_that_of_the_birthday_formula():
    r = np.random.default_rng(0)
    few_images = _features(1, 50)
    result = near_duplicates(_features(0, 600), few_images[r.integers(50, size=600)], 0)
    assert result["support"] == pytest.approx(50, rel=0.15)
    assert result["value"] == 1.0
    assert result["found"]
    assert result["support_expected"] == pytest.approx(600 / duplicates.EXPECTED, rel=0.01)


def test_pairs_and_their_number_equal_the_definition():
    x, _ = _repeat(_features(1, 200), 0.05)
    x[:12] = x[0]  # twelve copies: 66 pairs, more than five neighbours each can list
    distances = np.sqrt(np.square(x[:, None].astype(np.float64) - x[None]).sum(2))
    upper = np.triu(np.ones((200, 200), bool), 1)
    within = np.sort(distances[upper])[100]
    assert count_pairs(x, within) == (distances[upper] <= within).sum() == 101
    pairs, values = close_pairs(x)
    np.testing.assert_allclose(values, distances[tuple(pairs.T)], rtol=1e-9, atol=1e-12)
    near = pairs[values <= within]
    expected = np.argwhere((distances <= within) & upper)
    assert {tuple(p) for p in near if (p >= 12).any()} == {tuple(p) for p in expected if (p >= 12).any()}


def test_samples_that_repeat_as_much_as_real_images_do_are_no_finding():
    real, fake = (_repeat(_features(seed, 500), 0.05, noise=0)[0] for seed in (0, 1))
    result = near_duplicates(real, fake, 0)
    assert result["value"] >= 0.1
    assert result["expected_share"] == pytest.approx(0.1, rel=0.2)
    assert not result["found"]
    more, _ = _repeat(fake, 0.2, seed=3, noise=0)
    assert near_duplicates(real, more, 0)["found"]
    blank = np.zeros((50, 16), np.float32)
    assert near_duplicates(blank, blank, 0)["value"] == near_duplicates(blank, blank, 0)["expected_share"] == 1


def test_three_real_images_are_too_few():
    with pytest.raises(UserError, match="3 real images have too few pairs"):
        Closeness.of(_features(0, 3))


def test_the_spread_is_that_over_draws():
    real = _features(0, 400)
    results = [near_duplicates(real, _repeat(_features(s, 400), 0.05, s)[0], 0) for s in range(1, 31)]
    # Which rows repeat is fixed at 20 here; a draw of a model would vary in that too, as the jackknife assumes.
    share = 0.1
    expected = 2 * np.sqrt(share / 2 / 400)
    assert np.mean([r["spread"] for r in results]) == pytest.approx(expected, rel=0.3)


def test_identical_images_are_counted_apart_at_any_batch_size():
    r = np.random.default_rng(0)
    images = r.integers(256, size=(100, 4, 4, 1)).astype(np.uint8)
    real = r.integers(256, size=(90, 4, 4, 1)).astype(np.uint8)
    images[10:14], real[5] = images[0], real[6]
    results = [measure(duplicates, images, real=real, extractor=projection(), batch_size=size) for size in (7, 100)]
    assert results[0] == results[1]
    assert (results[0]["identical"], results[0]["identical_real"]) == (4, 1)
    assert results[0]["pairs"] >= 10
