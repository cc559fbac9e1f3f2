"""Tests whether classes are as frequent in generated rows as in real rows, and whether rows fit their class."""

import numpy as np
from threadpoolctl import threadpool_limits

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "class ratio error", ""
MEANING = "How far class shares of generated rows are from real shares, 0 to 1. A conditional model keeps the shares."
MIN_SAMPLES = tabular.MIN_ROWS
EXTRACTOR = None
USES = (*tabular.USES, "real.labels")


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The total variation distance between class shares.

    `agreement`: how often a forest trained on the training rows predicts a generated row's own class.
    `agreement_real`: the same for real rows.
    """
    count = tables.categories[tables.label]
    real, fake, train = (rows[:, tables.label].astype(int) for rows in (tables.real, tables.fake, tables.train))
    shares = [np.bincount(labels, minlength=count) / len(labels) for labels in (real, fake)]
    with threadpool_limits(1):
        judge = tabular.forest(tables.seed).fit(tables.features(tables.train, label=False), train)
        agreed = [
            np.mean(judge.predict(tables.features(rows, label=False)) == rows[:, tables.label])
            for rows in (tables.fake, tables.real)
        ]
    return {
        "value": float(np.abs(shares[0] - shares[1]).sum() / 2),
        "spread": None,
        "spread_kind": "none: one number of all rows",
        "shares_real": [round(float(share), 4) for share in shares[0]],
        "shares": [round(float(share), 4) for share in shares[1]],
        "agreement": float(agreed[0]),
        "agreement_real": float(agreed[1]),
    }
