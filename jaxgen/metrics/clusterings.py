"""Shared parts of the metrics that compare clusters of real images with their classes."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number
from jaxgen.metrics.disentanglement import entropy, means_of
from jaxgen.metrics.frechet import jackknife

USES = ("real.labels",)
MIN_SAMPLES = 1000
_PARTS = 10
_STARTS = 10  # of k-means; the best one counts


class Clustering(NamedTuple):
    """clusters, labels: of N images, whole numbers from 0 on. facts: facts about the clusters, for the record."""

    clusters: np.ndarray
    labels: np.ndarray
    facts: dict
    seed: int

    def rows(self, ids: np.ndarray) -> "Clustering":
        """The clusters and labels of some images."""
        return self._replace(clusters=self.clusters[ids], labels=self.labels[ids])

    def table(self) -> np.ndarray:
        """The number of images in each cluster and class, [clusters, classes]."""
        counts = np.zeros((self.clusters.max() + 1, self.labels.max() + 1), np.int64)
        np.add.at(counts, (self.clusters, self.labels), 1)
        return counts


def of_view(measure: Callable[[Clustering], dict]) -> Callable[[Context], Collected]:
    """The `start` of a metric of the clusters that a model gives itself, by its view `clusters`."""

    @functools.wraps(measure)
    def start(context: Context) -> Collected:
        def finish(clusters: np.ndarray) -> dict:
            return _result(measure, context, clusters.astype(np.int64), {"clusters_from": "the model"})

        return Collected(lambda batch: batch.host(batch.output), finish)

    return start


def of_k_means(measure: Callable[[Clustering], dict]) -> Callable[[Context], Collected]:
    """The `start` of a metric of clusters that k-means finds among the posterior means of the view `encode`.

    There are as many clusters as classes. The labels take no part in the fit.
    """

    @functools.wraps(measure)
    def start(context: Context) -> Collected:
        def finish(codes: np.ndarray) -> dict:
            if bad := int((~np.isfinite(codes)).any(1).sum()):
                return no_number(f"the encoder gave numbers that are not finite for {bad} of {len(codes)} images")
            count = len(np.unique(context.real.labels[: len(codes)]))
            clusters = _k_means(codes.astype(np.float64), count, context.seed)
            return _result(measure, context, clusters, {"clusters_from": f"k-means, {_STARTS} starts"})

        return Collected(means_of, finish)

    return start


def _k_means(codes: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(count, len(np.unique(codes, axis=0)))  # k-means warns of fewer different codes than clusters
    with threadpool_limits(1):
        return KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(codes)


def _result(measure: Callable, context: Context, clusters: np.ndarray, facts: dict) -> dict:
    labels = np.asarray(context.real.labels[: len(clusters)], np.int64)
    facts = {**facts, "clusters": len(np.unique(clusters)), "classes": len(np.unique(labels))}
    return {**measure(Clustering(clusters, labels, facts, context.seed)), **facts}


def jackknifed(measure: Callable[[Clustering], float], clustering: Clustering) -> dict:
    """The measure as `value`, with its jackknife spread over ten random tenths of the images."""
    count, value = len(clustering.labels), float(measure(clustering))
    if count < 10 * _PARTS:
        return {"value": value, "spread": None, "spread_kind": "none: few images"}
    part = np.random.default_rng(clustering.seed).permutation(count) % _PARTS
    left_out = [measure(clustering.rows(np.flatnonzero(part != left))) for left in range(_PARTS)]
    kind = "jackknife standard deviation over images"
    return {"value": value, "spread": jackknife(np.array(left_out)), "spread_kind": kind}


def matched(table: np.ndarray) -> np.ndarray:
    """The class of each cluster, [clusters], -1 for none: each class once, so that most images agree (Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    classes = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    classes[rows] = columns
    return classes


def accuracy(clustering: Clustering) -> dict:
    """The share of images whose cluster is matched with their class.

    One random half of the images decides the match, and the other half is scored. Both halves take both parts.
    `accuracy_of_one_set` matches and scores the same images, as most papers do.
    """
    order = np.random.default_rng(clustering.seed).permutation(len(clustering.labels))
    halves = [clustering.rows(half) for half in np.array_split(order, 2)]
    right = []
    for fitted, scored in (halves, halves[::-1]):
        if not len(fitted.labels):
            return {**no_number("one image cannot be matched and scored"), "matched_on": "the other half"}
        classes = matched(fitted.table())
        known = scored.clusters < len(classes)
        right.append(known & (classes[np.where(known, scored.clusters, 0)] == scored.labels))
    right = np.concatenate(right)
    whole = matched(clustering.table())[clustering.clusters] == clustering.labels
    return {
        "value": float(right.mean()),
        "spread": float(np.sqrt(right.mean() * (1 - right.mean()) / len(right))),
        "spread_kind": "standard error over images",
        "accuracy_of_one_set": float(whole.mean()),
        "matched_on": "the other half",
    }


def mutual_information(clustering: Clustering) -> dict:
    """Mutual information over the arithmetic mean of both entropies. Two partitions of one part each have 1."""
    return {**jackknifed(_normalised, clustering), "normaliser": "arithmetic mean of the entropies"}


def _normalised(clustering: Clustering) -> float:
    table = clustering.table()
    of_clusters, of_classes = entropy(table.sum(1)), entropy(table.sum(0))
    mean = (of_clusters + of_classes) / 2
    return 1.0 if mean == 0 else float(max(of_clusters + of_classes - entropy(table.reshape(-1)), 0.0) / mean)


def rand_index(clustering: Clustering) -> dict:
    """The adjusted Rand index (Hubert and Arabie 1985, equation 5): 0 by chance, 1 for equal partitions."""
    return jackknifed(_adjusted, clustering)


def _adjusted(clustering: Clustering) -> float:
    table = clustering.table()
    together, of_clusters, of_classes = (_pairs(counts).sum() for counts in (table, table.sum(1), table.sum(0)))
    expected = of_clusters * of_classes / max(_pairs(table.sum()), 1.0)
    most = (of_clusters + of_classes) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def _pairs(counts: np.ndarray) -> np.ndarray:
    """n (n - 1) / 2, float64."""
    counts = np.asarray(counts, np.float64)
    return counts * (counts - 1) / 2
