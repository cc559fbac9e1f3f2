"""Shared parts of the table metrics: gathering and standardising rows, equal sizes, and classifiers."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number, of_output

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.ensemble import RandomForestClassifier

# Below so many rows on a side no classifier and no correlation says anything.
MIN_ROWS = 50
TREES = 100
FOLDS = 5
USES = ("facts.columns", "real.images", "train.images")


class Tables(NamedTuple):
    """Rows [n, C] of the training split, the reference split and the samples, with facts about columns.

    categories: number of categories of each column, 0 for numbers. label: index of the label column, or None.
    """

    train: np.ndarray
    real: np.ndarray
    fake: np.ndarray
    categories: tuple[int, ...]
    label: int | None
    seed: int

    def numbers(self) -> np.ndarray:
        """Which columns hold numbers that vary in the training split."""
        changes = np.ptp(self.train, axis=0) > 0
        return np.flatnonzero((np.array(self.categories) == 0) & changes)

    def features(self, rows: np.ndarray, label: bool = True) -> np.ndarray:
        """Rows as classifier inputs, [n, F]: numbers standardised by the training split, categories one-hot.

        Args:
          label: whether to include the label column.
        """
        parts = []
        for place, count in enumerate(self.categories):
            if place == self.label and not label:
                continue
            values = rows[:, place]
            if count:
                parts.append(np.eye(count)[values.astype(int)])
            else:
                train = self.train[:, place].astype(np.float64)
                parts.append(((values - train.mean()) / (train.std() or 1.0))[:, None])
        return np.concatenate(parts, axis=1)


def on_tables(measure: Callable[[Tables], dict]) -> Callable[[Context], Collected]:
    """Decorates a function of all rows that returns a metric's result. Gives the metric's `start`.

    Rows that are not finite give no number.
    """

    @functools.wraps(measure)
    def start(context: Context) -> Collected:
        def finish(rows: np.ndarray) -> dict:
            if bad := int((~np.isfinite(rows)).any(1).sum()):
                return no_number(f"{bad} of {len(rows)} generated rows are not finite")
            return measure(tables_of(context, rows))

        return of_output(finish)

    return start


def tables_of(context: Context, fake: np.ndarray) -> Tables:
    """The rows that a metric compares."""
    columns = context.info["points"]["columns"]
    label = next((i for i, (_, _, is_label) in enumerate(columns) if is_label), None)
    train, real = (np.asarray(images.images[:]) for images in (context.train, context.real))
    return Tables(train, real, fake, tuple(len(names) for _, names, _ in columns), label, context.seed)


def forest(seed: int) -> "RandomForestClassifier":
    """The random forest (Breiman 2001) of every classifier here: 100 trees, on one core."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, random_state=seed, n_jobs=1)


def two_sample_auc(tables: Tables, classifier: "ClassifierMixin") -> dict:
    """How well `classifier` separates generated rows from unseen real rows (Lopez-Paz and Oquab 2017).

    It is the area under the ROC curve over out-of-fold scores of 5 stratified seeded folds. Both sides have the same
    number of rows, so that neither copies nor sizes count twice. 0.5 is chance.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    count = min(len(tables.real), len(tables.fake))
    real, fake = (
        rows if len(rows) == count else rows[np.random.default_rng(tables.seed).permutation(len(rows))[:count]]
        for rows in (tables.real, tables.fake)
    )
    features = np.concatenate([tables.features(fake), tables.features(real)])
    truth = np.repeat([0, 1], count)
    scores, of_folds = np.empty(len(truth)), []
    with threadpool_limits(1):
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=tables.seed).split(features, truth):
            classifier.fit(features[train], truth[train])
            scores[test] = classifier.predict_proba(features[test])[:, 1]
            of_folds.append(roc_auc_score(truth[test], scores[test]))
    return {
        "value": float(roc_auc_score(truth, scores)),
        "spread": float(np.std(of_folds, ddof=1)),
        "spread_kind": "standard deviation over folds",
        "rows_of_each": count,
        "folds": FOLDS,
    }


def correlations(rows: np.ndarray) -> np.ndarray:
    """Pearson's r [C, C] of the columns of rows [n, C], 0 for a constant column."""
    centred = rows - rows.mean(0, dtype=np.float64)
    norms = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(norms > 0, norms, 1.0)
    return np.clip(scaled.T @ scaled, -1, 1)
