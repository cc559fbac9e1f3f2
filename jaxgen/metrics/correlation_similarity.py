"""Similarity of the correlations of generated and real columns."""

import numpy as np

from jaxgen.metrics import tabular
from jaxgen.metrics.collected import no_number

NEEDS = "points"
DIRECTION = "higher"
TITLE, UNIT = "correlation similarity", ""
MEANING = "How similar the correlations of all pairs of columns are, at best 1. Independent columns stay above 0."
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
FEWEST = 2  # one row has no correlation
EXTRACTOR = None


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """mean(1 - |r - r'| / 2) over all pairs of columns of numbers, r Pearson's."""
    numbers = tables.numbers()
    pairs = np.triu_indices(len(numbers), 1)
    if not len(pairs[0]):
        return no_number("fewer than two columns of numbers vary in the training split")
    real, fake = (tabular.correlations(rows[:, numbers])[pairs] for rows in (tables.real, tables.fake))
    difference = np.abs(real - fake)
    return {
        "value": float(np.mean(1 - difference / 2)),
        "spread": float(np.std(1 - difference / 2, ddof=1)) if len(difference) > 1 else None,
        "spread_kind": "standard deviation over pairs of columns",
        "mean_difference": float(difference.mean()),
        "largest_difference": float(difference.max()),
    }
