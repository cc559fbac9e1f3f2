"""Generated rows that equal training rows in every number."""

import numpy as np
from scipy.spatial import cKDTree

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "duplicate rows", "share of samples"
MEANING = "Share of generated rows that repeat a training row exactly, with the share that repeat each other."
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
EXTRACTOR = None
# In standard deviations: float32 writes no number more finely.
_SAME = 1e-5


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The share. `share_of_real` is the share for reference rows, `exact_copies` the excess number of rows."""
    train, fake, real = (tables.features(rows) for rows in (tables.train, tables.fake, tables.real))
    tree = cKDTree(train)
    share, usual = (float(np.mean(tree.query(rows)[0] <= _SAME)) for rows in (fake, real))
    among = float(np.mean(cKDTree(fake).query(fake, k=2)[0][:, 1] <= _SAME)) if len(fake) > 1 else 0.0
    return {
        "value": share,
        "spread": float(np.sqrt(share * (1 - share) / len(fake))),
        "spread_kind": "standard error over samples",
        "share_of_real": usual,
        "exact_copies": max(round((share - usual) * len(fake)), 0),
        "share_among_samples": among,
    }
