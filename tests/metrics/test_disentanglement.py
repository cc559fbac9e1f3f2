"""Disentanglement metrics against scikit-learn, closed forms, and codes whose numbers are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.metrics import mutual_info_score

from jaxgen.metrics import dci, factor_vae_score, mig, sap, sap_svc
from jaxgen.metrics.disentanglement import entropy, gaps, in_bins, information

from .stand_ins import Images, measure

SIZES = (3, 6, 40, 32, 32)  # of sprites


def factors_of(count, sizes=SIZES, seed=0):
    random = np.random.default_rng(seed)
    return np.stack([random.integers(0, size, count) for size in sizes], axis=1)


def standard(x):
    return (x - x.mean(0)) / x.std(0)


def score(module, codes, factors, **options):
    known = {f"f{j}": column for j, column in enumerate(factors.T)}
    return measure(module, np.float32(codes), real=Images(np.zeros(len(codes)), factors=known), **options)


FACTORS = factors_of(10_000)
PERFECT = standard(FACTORS)
NOISE = np.random.default_rng(1).normal(size=(10_000, 5))


def test_information_and_entropy_are_those_of_scikit_learn():
    factors, codes = FACTORS[:800], PERFECT[:800] + NOISE[:800]
    bins = in_bins(codes, 20)
    found = information(bins, factors)
    for i, j in np.ndindex(found.shape):
        assert found[i, j] == pytest.approx(mutual_info_score(bins[:, i], factors[:, j]), abs=1e-9)
    assert entropy(np.bincount(factors[:, 1])) == pytest.approx(mutual_info_score(factors[:, 1], factors[:, 1]))
    for column in range(5):
        edges = np.histogram(codes[:, column], 20)[1]
        np.testing.assert_array_equal(bins[:, column], np.digitize(codes[:, column], edges[1:-1]))


def test_constant_codes_say_nothing():
    codes = np.zeros((100, 2))
    assert in_bins(codes, 20).max() == 0
    assert np.all(information(in_bins(codes, 20), FACTORS[:100]) == 0)
    np.testing.assert_array_equal(gaps(np.array([[0.7, 0.2], [0.1, 0.5]])), [0.6, 0.3])
    np.testing.assert_array_equal(gaps(np.array([[0.7, 0.2]])), [0.7, 0.2])


def test_the_gap_of_known_codes():
    """Values for uniform factors of sprites, 10,000 points and 20 bins, computed by another program."""
    perfect = score(mig, PERFECT, FACTORS)
    assert perfect["value"] == perfect["ceiling"] == pytest.approx(0.896, abs=0.002)
    np.testing.assert_allclose(list(perfect["of_each_factor"].values()), [1, 1, 0.80, 0.84, 0.84], atol=0.005)
    noisy = score(mig, PERFECT + 0.2 * NOISE, FACTORS)
    assert noisy["value"] == pytest.approx(0.61, abs=0.01)
    assert noisy["ceiling"] == perfect["ceiling"]
    assert 0 < noisy["spread"] < 0.01
    few = score(mig, PERFECT[:1000], FACTORS[:1000])
    assert few["value"] == pytest.approx(0.83, abs=0.01)
    assert score(mig, NOISE, FACTORS)["value"] < 0.001
    assert mig.gap_of_each_factor(PERFECT, FACTORS, bins=40).mean() == pytest.approx(0.988, abs=0.003)


def test_a_rotation_of_a_perfect_code_loses_the_gap():
    turned = PERFECT.copy()
    turned[:, 2:] = turned[:, 2:] @ Rotation.from_euler("xyz", [40, 35, 50], degrees=True).as_matrix()
    result = score(mig, turned, FACTORS)["of_each_factor"]
    assert max(result[f"f{j}"] for j in (2, 3, 4)) < 0.2
    assert result["f0"] > 0.99


def test_sap_with_r_squared():
    codes = PERFECT + 0.5 * NOISE
    squares = np.corrcoef(codes.T, FACTORS.T)[:5, 5:] ** 2
    np.testing.assert_allclose(sap.explained(codes, FACTORS), squares, atol=1e-12)
    ranked = np.sort(squares, axis=0)
    assert score(sap, codes, FACTORS)["value"] == pytest.approx(np.mean(ranked[-1] - ranked[-2]), abs=1e-5)
    assert score(sap, PERFECT, FACTORS)["value"] == pytest.approx(1, abs=1e-3)
    assert score(sap, np.zeros((200, 3)), FACTORS[:200])["value"] == 0


def test_sap_with_a_linear_classifier_cannot_reach_one():
    """One line against the rest tells the two ends of a code apart from the rest, and nothing in between."""
    factors = factors_of(1500, (2, 3, 6))
    result = score(sap_svc, standard(factors), factors)
    chance = np.array([1 / 2, 1 / 3, 1 / 6])
    reached = np.array(list(result["of_each_factor"].values()))
    np.testing.assert_allclose(reached[0] + chance[0], 1, atol=0.06)
    assert reached[1] + chance[1] > 0.9
    assert 0.3 < reached[2] + chance[2] < 0.75
    assert result["value"] == pytest.approx(result["ceiling"])
    assert (result["train_images"], result["test_images"]) == (1000, 500)
    useless = score(sap_svc, np.random.default_rng(5).normal(size=(1500, 3)), factors)
    assert useless["value"] < 0.1
    assert useless["ceiling"] == pytest.approx(result["ceiling"])


def test_disentanglement_of_importances_in_closed_form():
    assert dci.disentanglement_of(np.eye(4)) == pytest.approx(1)
    assert dci.disentanglement_of(np.ones((3, 4))) == pytest.approx(0)
    assert dci.disentanglement_of(np.zeros((3, 4))) == 0
    # One code for factors 0 and 1 alike, one for factor 2 alone: 1 - ln 2 / ln 3, and 1, weighted 2 to 1.
    importance = np.array([[1.0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert dci.disentanglement_of(importance) == pytest.approx((2 * (1 - np.log(2) / np.log(3)) + 1) / 3)
    assert dci.disentanglement_of(importance.T) == pytest.approx(1)


def test_dci_of_perfect_and_of_mixed_codes(monkeypatch):
    monkeypatch.setattr(dci, "ROUNDS", 5)
    factors = factors_of(900, (2, 3, 4))
    perfect = score(dci, standard(factors), factors)
    assert min(perfect[key] for key in ("value", "completeness", "informativeness")) > 0.99
    assert (perfect["trees"], perfect["train_images"], perfect["test_images"]) == (5 * (1 + 3 + 4), 600, 300)
    mixed = standard(factors) @ Rotation.from_euler("xyz", [40, 35, 50], degrees=True).as_matrix()
    result = score(dci, mixed, factors)
    assert result["value"] < 0.5
    assert np.sum(result["importance"], axis=0) == pytest.approx(np.ones(3))
    doubled = np.concatenate([standard(factors), np.random.default_rng(2).normal(size=(900, 2))], axis=1)
    assert score(dci, doubled, factors)["value"] > 0.95
    assert np.isnan(score(dci, standard(factors)[:, :1], factors)["value"])


def test_factor_vae_score_of_known_codes(monkeypatch):
    monkeypatch.setattr(factor_vae_score, "VOTES", {"train": 1000, "test": 1000})
    assert score(factor_vae_score, PERFECT, FACTORS)["value"] == 1
    noise = score(factor_vae_score, NOISE, FACTORS)
    assert noise["value"] == pytest.approx(noise["chance"], abs=0.05)
    # Two factors in one code cannot be told apart: the majority gets one of them.
    joined = PERFECT.copy()
    joined[:, 3] = joined[:, 4] = PERFECT[:, 3] + PERFECT[:, 4]
    result = score(factor_vae_score, joined[:, :4], FACTORS)
    assert {result["of_each_factor"]["f3"], result["of_each_factor"]["f4"]} == {0.0, 1.0}
    nothing = score(factor_vae_score, 0.01 * PERFECT, FACTORS)
    assert (nothing["value"], nothing["used_codes"]) == (0, 0)


def test_a_vote_is_the_least_normalised_variance():
    codes = (PERFECT + 0.1 * NOISE)[:600] * np.array([1, 100, 10, 1, 1])
    factors = FACTORS[:600, :2]
    votes = factor_vae_score.votes_of(codes, factors, 400, np.random.default_rng(0))
    np.testing.assert_array_equal(votes[:, 0], votes[:, 1])
    assert 150 < votes[:, 1].sum() < 250


@pytest.mark.parametrize("module", [mig, sap, sap_svc, dci, factor_vae_score])
def test_what_gives_no_number(module):
    bad = PERFECT[:60].copy()
    bad[3, 1] = np.nan
    assert "not finite" in score(module, bad, FACTORS[:60])["note"]
    still = np.zeros((60, 2), int)
    assert "no factor varies" in score(module, PERFECT[:60], still)["note"]


def test_a_factor_with_one_value_is_left_out():
    factors = np.concatenate([FACTORS[:500, :2], np.full((500, 1), 3)], axis=1)
    result = score(mig, PERFECT[:500], factors)
    assert result["factors"] == ["f0", "f1"]
