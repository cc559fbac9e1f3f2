"""Metrics of clusters against scikit-learn, brute force, and clusters whose numbers are known."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from jaxgen.metrics import ari, ari_k_means, cluster_accuracy, cluster_accuracy_k_means, nmi, nmi_k_means
from jaxgen.metrics.clusterings import matched

from .stand_ins import Images, measure

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 5, 600)
# Two classes in one cluster, one class in two clusters, and a tenth of the images anywhere.
CLUSTERS = np.where(RANDOM.random(600) < 0.1, RANDOM.integers(0, 7, 600), np.array([3, 3, 0, 1, 5])[LABELS])


def score(module, output, labels=LABELS, **options):
    return measure(module, output, real=Images(np.zeros(len(labels)), labels), **options)


@pytest.mark.parametrize("clusters", [CLUSTERS, LABELS, RANDOM.integers(0, 30, 600), np.zeros(600, int)])
def test_nmi_and_ari_are_those_of_scikit_learn(clusters):
    expected = normalized_mutual_info_score(LABELS, clusters, average_method="arithmetic")
    result = score(nmi, clusters)
    assert result["value"] == pytest.approx(expected, abs=1e-12)
    assert result["normaliser"] == "arithmetic mean of the entropies"
    assert score(ari, clusters)["value"] == pytest.approx(adjusted_rand_score(LABELS, clusters), abs=1e-12)
    assert result["clusters"] == len(np.unique(clusters))


def test_the_spread_is_that_over_draws():
    draws, spreads = [], []
    for seed in range(60):
        r = np.random.default_rng(seed)
        labels = r.integers(0, 3, 300)
        clusters = np.where(r.random(300) < 0.3, r.integers(0, 3, 300), labels)
        result = score(ari, clusters, labels)
        draws.append(result["value"])
        spreads.append(result["spread"])
    assert np.mean(spreads) == pytest.approx(np.std(draws), rel=0.3)


def test_the_match_is_the_best_of_all():
    table = np.random.default_rng(3).integers(0, 50, (5, 5))
    best = max(sum(table[i, p[i]] for i in range(5)) for p in itertools.permutations(range(5)))
    assert table[np.arange(5), matched(table)].sum() == best
    classes = matched(np.array([[9, 0], [8, 1], [0, 7]]))
    assert classes.tolist() == [0, -1, 1]  # more clusters than classes: one has none


def test_accuracy_names_what_it_was_matched_on():
    result = score(cluster_accuracy, (LABELS + 2) % 5)
    assert result["value"] == result["accuracy_of_one_set"] == 1
    assert result["matched_on"] == "the other half"
    table = np.zeros((7, 5), int)
    np.add.at(table, (CLUSTERS, LABELS), 1)
    best = max(sum(table[p[j], j] for j in range(5)) for p in itertools.permutations(range(7), 5))
    result = score(cluster_accuracy, CLUSTERS)
    assert result["accuracy_of_one_set"] == pytest.approx(best / 600)
    assert result["value"] == pytest.approx(best / 600, abs=0.05)


def test_matching_and_scoring_one_set_flatters_clusters_without_sense():
    labels = np.arange(100) % 20
    results = [score(cluster_accuracy, np.random.default_rng(s).integers(0, 20, 100), labels) for s in range(20)]
    assert np.mean([result["value"] for result in results]) == pytest.approx(1 / 20, abs=0.02)
    assert np.mean([result["accuracy_of_one_set"] for result in results]) > 0.12


def test_k_means_finds_clusters_of_codes():
    centres = np.random.default_rng(4).normal(size=(5, 8)) * 6
    codes = np.float32(centres[LABELS] + RANDOM.normal(size=(600, 8)))
    for module in (cluster_accuracy_k_means, nmi_k_means, ari_k_means):
        result = score(module, codes)
        assert result["value"] > 0.98
        assert result["clusters_from"] == "k-means, 10 starts"
    assert score(ari_k_means, RANDOM.normal(size=(600, 8)))["value"] < 0.05
    assert "not finite" in score(ari_k_means, np.full((600, 8), np.nan))["note"]
    assert score(ari_k_means, np.zeros((600, 8)))["clusters"] == 1


def test_only_the_labels_of_the_measured_images_count():
    assert score(cluster_accuracy, LABELS[:200])["value"] == 1
