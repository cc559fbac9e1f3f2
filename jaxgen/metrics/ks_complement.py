"""Similarity of generated and real values of each column: one minus the mean Kolmogorov-Smirnov distance."""

import numpy as np

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "higher"
TITLE, UNIT = "KS complement", ""
MEANING = "How similar each column's own values are, at best 1. It ignores dependence between columns."
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
EXTRACTOR = None


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """sup |F_a - F_b| of the distribution functions of values [n] and [m]: the Kolmogorov-Smirnov statistic."""
    every = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(side), every, side="right") / len(side) for side in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The mean over all columns except the label's of 1 - sup |F - F'|.

    A column of categories has 1 - half the sum of differences of shares.
    """
    alike = []
    for place, count in enumerate(tables.categories):
        real, fake = tables.real[:, place], tables.fake[:, place]
        if count:
            shares = [np.bincount(values.astype(int), minlength=count) / len(values) for values in (real, fake)]
            alike.append(1 - np.abs(shares[0] - shares[1]).sum() / 2)
        else:
            alike.append(1 - largest_difference(real, fake))
    alike = np.array(alike)
    counted = np.arange(len(alike)) != (-1 if tables.label is None else tables.label)
    return {
        "value": float(alike[counted].mean()),
        "spread": float(alike[counted].std(ddof=1)) if counted.sum() > 1 else None,
        "spread_kind": "standard deviation over columns",
        "columns": [round(float(value), 4) for value in alike],
    }
