"""Distance to the closest record: whether generated rows lie nearer to training rows than to unseen rows.

Both sides of the comparison have the same number of rows, since more rows have nearer neighbours. The rows left out of
the larger side are drawn anew 20 times. `found` sums up two tests. One test asks for a share more than three standard
errors above one half. The other test counts rows nearer to a training row than unseen rows hardly ever are, and asks
for more such rows than chance gives.
"""

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import binomtest

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "nearer to training rows", "share of samples"
MEANING = "Share of generated rows nearer to a training row than to an unseen real row: 0.5 is fair, more means copies."
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
EXTRACTOR = None
_DRAWS = 20
# As near as the nearest twentieth of unseen rows; and what counts as a finding.
_QUANTILE, _LEVEL, _ERRORS = 0.05, 0.01, 3.0


def nearer_to_train(train: np.ndarray, held_out: np.ndarray, fake: np.ndarray, seed: int) -> dict:
    """The share of `fake` nearer to `train` than to `held_out`, with distances. Features are [n, D] each."""
    rng = np.random.default_rng(seed)
    count = min(len(train), len(held_out))
    shares = []
    for _ in range(_DRAWS if len(train) != len(held_out) else 1):
        sides = (rows[rng.permutation(len(rows))[:count]] for rows in (train, held_out))
        to_train, to_held_out = (cKDTree(rows).query(fake)[0] for rows in sides)
        shares.append(np.mean(to_train < to_held_out) + np.mean(to_train == to_held_out) / 2)
    tree = cKDTree(train)
    distance, usual = tree.query(fake)[0], tree.query(held_out)[0]
    within = np.quantile(usual, _QUANTILE, method="inverted_cdf")
    near, near_held_out = int((distance <= within).sum()), int((usual <= within).sum())
    chance = binomtest(near, near + near_held_out, len(fake) / (len(fake) + len(held_out)), alternative="greater")
    # Of few held-out rows, which are where they are by chance too, not of many generated ones.
    error = float(np.sqrt(0.25 / min(len(fake), count)))
    share = float(np.mean(shares))
    return {
        "value": share,
        "spread": error,
        "spread_kind": "standard error of one half among the rows of the smaller side",
        "found": bool(share > 0.5 + _ERRORS * error or chance.pvalue < _LEVEL),
        "share_very_near": near / len(fake),
        "share_very_near_held_out": near_held_out / len(held_out),
        "p_value": float(chance.pvalue),
        "median_distance": float(np.median(distance)),
        "median_distance_held_out": float(np.median(usual)),
        "rows_of_each": count,
    }


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The share, by Euclidean distance of standardised columns and one-hot categories."""
    train, held_out, fake = map(tables.features, (tables.train, tables.real, tables.fake))
    return nearer_to_train(train, held_out, fake, tables.seed)
