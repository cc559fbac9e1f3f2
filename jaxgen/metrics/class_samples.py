"""Shared parts of the metrics of conditional models: classes, their names, and what every such metric needs."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number

USES = ("train.images", "train.labels", "real.images", "real.labels", "facts.labels")


def class_names(context: Context) -> tuple[str, ...]:
    """The names of all classes of the training data."""
    names = context.train.class_names
    count = max(len(names), int(context.train.labels.max()) + 1, context.info["sample"]["labels"]["num_classes"])
    return (*names, *(str(i) for i in range(len(names), count)))


def by_class(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    """Values [classes] for a record, without those that are undefined."""
    return {name: float(value) for name, value in zip(names, values, strict=True) if np.isfinite(value)}


def mean_of_each(right: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of `right` in each class [count], undefined for a class without images, and numbers of images."""
    images = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, weights=right, minlength=count)
    return np.where(images > 0, sums / np.maximum(images, 1), np.nan), images


def nothing(reason: str) -> Collected:
    """An accumulator without a number."""
    return Collected(lambda batch: np.zeros(0), lambda rows: no_number(reason))
