"""Near-duplicates among the samples: the birthday test of Arora, Risteski and Zhang (2018), without eyes.

Among n draws from s equally likely images about n^2 / (2 s) pairs are of the same one. Which pairs count as the same
is taken from the real images: those as close as the closest QUANTILE of real images are to their nearest neighbour.
Real images show such pairs too, so the value means something beside `expected_share`, and `support` beside
`support_real`, only.
"""

import numpy as np
from scipy.stats import binomtest

from jaxgen.metrics.base import CHOSEN, Batch, Context
from jaxgen.metrics.collected import Collected, digests
from jaxgen.metrics.frechet import GROUPS, jackknife
from jaxgen.metrics.manifold import count_within, nearest

NEEDS = "sample"
DIRECTION = "lower"
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("real.features", "real.images")
FEW = "repeats show in proportion to the number of pairs"
QUANTILE = 0.001
# What counts as a finding: unlikely by chance, and so many more of the samples than expected.
LEVEL, EXCESS = 0.01, 0.005
# Pairs that the result lists, closest first, for pictures.
LISTED = 16
_NEIGHBOURS = 5


def threshold(real: np.ndarray) -> float:
    """The distance within which a QUANTILE of the images with features [n, D] have another, at least one pair.

    Never below 1e-4 of the median: identical images may come out of a network a rounding apart.
    """
    distances = nearest(real)[1][:, 0]
    return float(max(np.quantile(distances, QUANTILE, method="inverted_cdf"), 1e-4 * np.median(distances)))


def close_pairs(features: np.ndarray, within: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs of rows at most `within` apart.

    Returns:
      pairs int [p, 2], lower index first, and their distances [p], closest first, from each row's 5 nearest; and how
      many there are in all, which is more where an image comes more than 6 times.
    """
    indices, distances = nearest(features, k=min(_NEIGHBOURS, len(features) - 1))
    row, place = np.nonzero(distances <= within)
    pairs = np.sort(np.stack([row, indices[row, place]], 1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    distance, total = distances[row, place][first], len(pairs)
    if (distances[:, -1] <= within).any():
        total = int(count_within(features, within).sum()) // 2
    order = np.argsort(distance, kind="stable")
    return pairs[order], distance[order], total


def near_duplicates(real: np.ndarray, fake: np.ndarray, seed: int) -> dict:
    """The share of samples with a near-duplicate, beside what real images lead one to expect at this number.

    Args:
      real: features [n_real, D]. fake: features [n_fake, D].
    """
    within = threshold(real)
    real_pairs, _, total_real = close_pairs(real, within)
    pairs, distances, total = close_pairs(fake, within)
    share, share_real = (len(np.unique(p)) / n for p, n in ((pairs, len(fake)), (real_pairs, len(real))))
    expected = 1 - (1 - share_real) ** ((len(fake) - 1) / (len(real) - 1))
    possible, possible_real = (n * (n - 1) // 2 for n in (len(fake), len(real)))
    # Were duplicates as frequent in both, those found would divide as the possible pairs do.
    fraction = possible / (possible + possible_real)
    chance = binomtest(total, total + total_real, fraction, alternative="greater").pvalue
    return {
        "value": share,
        "spread": _spread(pairs, len(fake), seed),
        "spread_kind": "jackknife standard deviation over draws of samples",
        "expected_share": float(expected),
        "share_real": share_real,
        "p_value": float(chance),
        "found": bool(chance < LEVEL and share - expected >= EXCESS),
        "threshold": within,
        "threshold_quantile": QUANTILE,
        "pairs": total,
        "pairs_real": total_real,
        "support": possible / total if total else None,
        "support_real": possible_real / total_real,
        "closest_pairs": pairs[:LISTED].tolist(),
        "closest_distances": distances[:LISTED].tolist(),
    }


def _spread(pairs: np.ndarray, n: int, seed: int) -> float | None:
    """Jackknife spread of the share of n samples in a pair: without a group go all pairs with a part in it."""
    if n < 2 * GROUPS:
        return None
    group = np.random.default_rng(seed).permutation(n) * GROUPS // n
    left_out = []
    for g in range(GROUPS):
        remaining = pairs[(group[pairs] != g).all(1)]
        left_out.append(len(np.unique(remaining)) / np.sum(group != g))
    return jackknife(left_out)


class _Duplicates(Collected):
    def __init__(self, context: Context):
        real = context.real.features(context.extractor)
        super().__init__(context.extractor, lambda fake: near_duplicates(real, fake, context.seed))
        self._real_images, self._digests = context.real.images, []

    def update(self, batch: Batch) -> None:
        super().update(batch)
        self._digests += digests(batch.host(batch.fake))

    def result(self) -> dict:
        of_real = digests(self._real_images)
        return {
            **super().result(),
            "identical": len(self._digests) - len(set(self._digests)),
            "identical_real": len(of_real) - len(set(of_real)),
        }


def start(context: Context) -> _Duplicates:
    """An accumulator of the share of samples with a near-duplicate.

    `found` sums it up; `identical` counts samples that repeat the pixels of an earlier one; `support` is the number
    of equally likely images that would give as many pairs; `closest_pairs` holds sample numbers.
    """
    return _Duplicates(context)
