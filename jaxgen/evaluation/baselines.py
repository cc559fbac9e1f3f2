"""Samplers of tables that learn nothing worth the name: what every tabular model must be measured against.

Each takes training rows and gives as many new ones: `(rows [N, C], categories [C], label, rng) -> rows [N, C]`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata


class Baseline(NamedTuple):
    """A sampler, and what people call it."""

    title: str
    sample: Callable[[np.ndarray, tuple[int, ...], int | None, np.random.Generator], np.ndarray]


def draw(name: str, rows: np.ndarray, categories: tuple[int, ...], label: int | None, seed: int) -> np.ndarray:
    """Rows float32 [N, C] of the baseline `name`, by `seed`."""
    rng = np.random.default_rng((seed, 5))
    return BASELINES[name].sample(np.asarray(rows), categories, label, rng).astype(np.float32)


def _real(rows, categories, label, rng) -> np.ndarray:
    """The training rows themselves: the ceiling, as near to the test split as other real rows are."""
    return rows


def _bootstrap(rows, categories, label, rng) -> np.ndarray:
    """Training rows drawn with replacement: perfect copies."""
    return rows[rng.integers(len(rows), size=len(rows))]


def _all_shuffled(rows, categories, label, rng) -> np.ndarray:
    """Each column shuffled by itself, the label's staying where it is: right columns, no dependence at all."""
    out = _shuffled(rows, np.array(categories), rng)
    if label is not None:
        out[:, label] = rows[:, label]
    return out


def _by_class(sampler: Callable, rows, categories, label, rng) -> np.ndarray:
    """`sampler(rows of a class, categories, rng)` for each class, rows in the places of their class."""
    rows, out = rows.astype(np.float64), np.empty(rows.shape)
    labels = np.zeros(len(rows)) if label is None else rows[:, label]
    counts = np.array(categories)
    if label is not None:
        counts[label] = 0
    for value in np.unique(labels):
        of_class = labels == value
        out[of_class] = sampler(rows[of_class], counts, rng)
    if label is not None:
        out[:, label] = labels
    return out


def _shuffled(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """Within a class: right columns, no dependence beside that on the class."""
    return np.stack([rng.permutation(column) for column in rows.T], axis=1)


def _gaussian(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """A Gaussian with the class's mean and covariance; categories are drawn by their shares."""
    out, numbers = _shuffled(rows, counts, rng), counts == 0
    part = rows[:, numbers]
    out[:, numbers] = part.mean(0) + _correlated(np.cov(part.T, ddof=min(1, len(part) - 1)), len(part), rng)
    return out


def _copula(rows: np.ndarray, counts: np.ndarray, rng) -> np.ndarray:
    """A Gaussian copula: each column as it is distributed in the class, correlated as normal scores are."""
    out, numbers = _shuffled(rows, counts, rng), np.flatnonzero((counts == 0) & (np.ptp(rows, axis=0) > 0))
    if not len(numbers):
        return out
    part, places = rows[:, numbers], (np.arange(len(rows)) + 0.5) / len(rows)
    scores = ndtri((rankdata(part, axis=0) - 0.5) / len(part))
    levels = ndtr(_correlated(np.corrcoef(scores.T), len(part), rng))
    for column, level, values in zip(numbers, levels.T, np.sort(part, axis=0).T, strict=True):
        out[:, column] = np.interp(level, places, values)
    return out


def _correlated(covariance: np.ndarray, count: int, rng) -> np.ndarray:
    """Normal rows [count, C] of mean 0; nearly singular covariances do."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    return (rng.standard_normal((count, len(values))) * np.sqrt(np.maximum(values, 0))) @ vectors.T


BASELINES: dict[str, Baseline] = {
    "real": Baseline("real training rows", _real),
    "bootstrap": Baseline("bootstrap copy", _bootstrap),
    "class_copula": Baseline("class Gaussian copula", partial(_by_class, _copula)),
    "class_gaussian": Baseline("class Gaussian", partial(_by_class, _gaussian)),
    "class_shuffled": Baseline("columns shuffled within class", partial(_by_class, _shuffled)),
    "shuffled": Baseline("columns shuffled", _all_shuffled),
}
