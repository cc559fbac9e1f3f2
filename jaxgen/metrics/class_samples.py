"""Shared parts of the metrics of conditional models: classes, their names, and what every such metric needs."""

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.base import Context

USES = ("train.images", "train.labels", "real.images", "real.labels", "facts.labels")


def class_names(context: Context, metric: str) -> tuple[str, ...]:
    """The names of all classes of the training data.

    Raises:
      UserError: there is one class only.
    """
    names = context.train.class_names
    count = max(len(names), int(context.train.labels.max()) + 1, context.info["sample"]["labels"]["num_classes"])
    if count < 2:
        raise UserError(f"evaluation.metrics: {metric} needs two classes, but the data have one. Leave the metric out")
    return (*names, *(str(i) for i in range(len(names), count)))


def by_class(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    """Values [classes] for a record, without those that are undefined."""
    return {name: float(value) for name, value in zip(names, values, strict=True) if np.isfinite(value)}


def mean_of_each(right: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of `right` in each class [count], undefined for a class without images, and numbers of images."""
    images = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, weights=right, minlength=count)
    return np.where(images > 0, sums / np.maximum(images, 1), np.nan), images
