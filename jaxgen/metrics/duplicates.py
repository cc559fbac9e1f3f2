"""Near-duplicates among the samples: the birthday test of Arora, Risteski and Zhang (2018), without human eyes.

Among n draws from s equally likely images, about n^2 / (2 s) pairs show the same image. Real images set the threshold:
samples are near-duplicates if they lie closer than nearly all real images do. Among as many real images, a share of
EXPECTED has another image as close.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import nbinom

from jaxgen.errors import UserError
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, digests, of_features_and_digests
from jaxgen.metrics.frechet import GROUPS, jackknife
from jaxgen.metrics.manifold import count_within, nearest

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "near-duplicates", "share of samples"
MEANING = "Share of samples that nearly repeat another sample: a sign of collapse."
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("real.features", "real.images")
FEW = "the number of repeats grows with the number of pairs"
EXPECTED = 0.001
# What counts as a finding: unlikely by chance, and so many more of the samples than expected.
LEVEL, EXCESS = 0.01, 0.005
# The closest real pairs, as many as this share of the real images but 20 at least, show how rare close pairs are.
_SHARE, _PAIRS = 0.025, 20
# Pairs that the result lists, closest first, for pictures.
LISTED = 16
_NEIGHBOURS = 5


class Closeness(NamedTuple):
    """The rarity of close pairs among n real images: (distance / scale)^dimension times `pairs` pairs.

    Within a small distance, pairs become rarer by a power law. Its exponent is the local dimension, estimated from the
    closest pairs (Hill 1975). The law gives a distance for each rarity, even for more images than there are real
    images. It does not depend on one or two closest pairs. Below `floor` images count as identical, since the same
    image may leave a network with rounding errors. `identical` counts such pairs.
    """

    n: int
    pairs: int
    scale: float
    dimension: float
    floor: float
    identical: int

    @classmethod
    def of(cls, features: np.ndarray) -> "Closeness":
        """From real features [n, D], n at least 4."""
        n = len(features)
        if n < 4:
            raise UserError(f"duplicates: {n} real images have too few pairs to compare with. Use more")
        distances = close_pairs(features)[1]
        floor = max(1e-4 * np.median(distances), np.finfo(np.float32).tiny)
        pairs = min(max(_PAIRS, round(_SHARE * n)), len(distances))
        closest = np.maximum(distances[:pairs], floor)
        dimension = (pairs - 2) / max(np.log(closest[-1] / closest[:-1]).sum(), 1e-9)
        return cls(n, pairs, float(closest[-1]), float(dimension), float(floor), count_pairs(features, floor))

    def threshold(self, n: int) -> tuple[float, float, float]:
        """The threshold for near-duplicates among n images, where n * EXPECTED / 2 pairs are expected.

        Returns:
          The distance. The expected number of pairs within it, raised if real images repeat themselves more often.
          The variance of the logarithm of that number.
        """
        expected, ratio = n * EXPECTED / 2, math.comb(n, 2) / math.comb(self.n, 2)
        excess = np.log(self.pairs * ratio / expected)
        distance = max(self.scale * np.exp(-excess / self.dimension), self.floor)
        return float(distance), max(expected, self.identical * ratio), float((1 + excess**2) / self.pairs)


def close_pairs(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [p, 2] of each row with its 5 nearest, the lower index first, and their distances [p], closest first."""
    indices, distances = nearest(features, k=min(_NEIGHBOURS, len(features) - 1))
    pairs = np.sort(np.stack([np.repeat(np.arange(len(features)), indices.shape[1]), indices.ravel()], 1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    distances = distances.ravel()[first]
    order = np.argsort(distances, kind="stable")
    return pairs[order], distances[order]


def count_pairs(features: np.ndarray, within: float) -> int:
    """The number of pairs of rows within a distance, including pairs beyond the limit of `close_pairs`."""
    pairs, distances = close_pairs(features)
    near = pairs[distances <= within]
    if len(near) and np.bincount(near.ravel()).max() >= _NEIGHBOURS:
        return int(count_within(features, within).sum()) // 2
    return len(near)


def near_duplicates(real: np.ndarray, fake: np.ndarray, seed: int) -> dict:
    """The share of samples with a near-duplicate, and whether it exceeds the expectation from real images.

    Args:
      real: features [n_real, D]. fake: features [n_fake, D].
    """
    n, closeness = len(fake), Closeness.of(real)
    within, expected, variance = closeness.threshold(n)
    pairs, distances = close_pairs(fake)
    near, total = pairs[distances <= within], count_pairs(fake, within)
    share, expected_share = len(np.unique(near)) / n, min(2 * expected / n, 1.0)
    # Poisson pairs whose expected number is itself known so well only: negative binomial.
    chance = nbinom.sf(total - 1, 1 / variance, 1 / (1 + variance * expected))
    return {
        "value": share,
        "spread": _spread(near, n, seed),
        "spread_kind": "jackknife standard deviation over draws of samples",
        "expected_share": expected_share,
        "p_value": float(chance),
        "found": bool(chance < LEVEL and share - expected_share >= EXCESS),
        "threshold": within,
        "dimension": closeness.dimension,
        "pairs": total,
        "support": math.comb(n, 2) / total if total else None,
        "support_expected": math.comb(n, 2) / expected,
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


def start(context: Context) -> Collected:
    """An accumulator of the share of samples with a near-duplicate.

    `found` sums it up. `identical` counts samples with the pixels of an earlier sample. `support` is the number of
    equally likely images that would give as many pairs. `closest_pairs` holds sample numbers.
    """
    real = context.real.features(context.extractor)

    def finish(fake: np.ndarray, of_fake: list[bytes]) -> dict:
        of_real = digests(context.real.images)
        return {
            **near_duplicates(real, fake, context.seed),
            "identical": len(of_fake) - len(set(of_fake)),
            "identical_real": len(of_real) - len(set(of_real)),
        }

    return of_features_and_digests(context.extractor, finish)
