"""Near-duplicates among the samples: the birthday test of Arora, Risteski and Zhang (2018), without human eyes.

Among n draws from s equally likely images, about n^2 / (2 s) pairs show the same image. Such a pair is far closer than
its surroundings. So the closeness of a pair is a ratio: its distance, divided by the mean radius of the two. The radius
of an image holds a share of SURROUNDINGS of all other samples. Blur or noise changes all distances of a set, and leaves
such ratios nearly as they were. A set that lacks classes has the ratios of its other classes.

Real images are the yardstick. Their ratios follow a power law. Of as many real images, a share of EXPECTED would have a
near-duplicate within the threshold. A radius never counts as smaller than those of nearly all real images. Otherwise a
set of a few images, each repeated many times, would be its own yardstick.

The test: near pairs are Poisson if images are independent, and their expected number comes from the real images. By
its p-value, distinct images with the ratios of real images are found at most once in a hundred evaluations. EXCESS also
asks for hundreds of times the expected share, so that they are found far more seldom. The page "Properties of the
metrics" shows the verdict on damaged real images.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import nbinom

from jaxgen.errors import UserError
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, digests, indices, of_features_and_digests
from jaxgen.metrics.frechet import GROUPS, jackknife
from jaxgen.metrics.manifold import count_within, nearest

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "near-duplicates", "share of samples"
MEANING = "Share of samples that nearly repeat another sample: a sign of collapse."
MIN_SAMPLES, FEWEST = 1000, 4
EXTRACTOR = CHOSEN
USES = ("real.features", "real.images")
SETTINGS = ("surroundings",)
FEW = "the number of repeats grows with the number of pairs"
EXPECTED = 1e-5
# What counts as a finding: unlikely by chance, and so many more of the samples than expected.
LEVEL, EXCESS = 0.01, 0.005
# The closest real pairs, as many as this share of the real images but 20 at least, show how rare close pairs are.
_SHARE, _PAIRS = 0.025, 20
# Pairs that the result lists, closest first, for pictures.
LISTED = 16
_NEIGHBOURS = 5
# The surroundings of an image hold this share of the others. They are measured on a random part of the others.
SURROUNDINGS, _ANCHORS = 0.025, 400
_LEAST_RADIUS = 0.01  # the quantile of real radii below which none counts
_PAIRS_OF_BULK = 5000


class Surroundings(NamedTuple):
    """radii: the distance at which each image has its share of the others, float64 [n]. bulk: the median distance."""

    radii: np.ndarray
    bulk: float

    @classmethod
    def of(cls, features: np.ndarray, seed: int = 0) -> "Surroundings":
        """Of features [n, D], n at least 3. The seed draws the others that stand for all."""
        n = len(features)
        chosen = indices(n, _ANCHORS, seed)
        k = max(1, round(SURROUNDINGS * (len(chosen) - 1)))
        distances = nearest(features, features[chosen], k=k + 1)[1]
        itself = np.isin(np.arange(n), chosen)  # is the nearest of the chosen, at distance 0
        a, b = np.random.default_rng((seed, 1)).integers(n, size=(2, _PAIRS_OF_BULK))
        apart = np.linalg.norm(features[a].astype(np.float64) - features[b], axis=1)[a != b]
        return cls(np.where(itself, distances[:, k], distances[:, k - 1]), float(np.median(apart)))

    def ratios(self, pairs: np.ndarray, distances: np.ndarray, least: float) -> np.ndarray:
        """Distances [p] of pairs [p, 2], relative to the mean radius of both. Radii count as `least` at least."""
        radii = np.maximum(self.radii, max(least, np.finfo(np.float32).tiny))
        return distances / radii[pairs].mean(1)


class Closeness(NamedTuple):
    """The rarity of close pairs among n real images: (ratio / scale)^dimension times `pairs` pairs.

    Within a small ratio, pairs become rarer by a power law. Its exponent is the local dimension, estimated from the
    closest pairs (Hill 1975). The law gives a ratio for each rarity, even for more images than there are real images.
    It does not depend on one or two closest pairs. Below `floor` images count as identical, since the same image may
    leave a network with rounding errors. `identical` counts such pairs. `least` is the smallest radius that counts, and
    `bulk` the median distance.
    """

    n: int
    pairs: int
    scale: float
    dimension: float
    floor: float
    identical: int
    least: float
    bulk: float

    @classmethod
    def of(cls, features: np.ndarray) -> "Closeness":
        """From real features [n, D], n at least 4."""
        n = len(features)
        if n < 4:
            raise UserError(f"duplicates: {n} real images have too few pairs to compare with. Use more")
        around, (found, distances) = Surroundings.of(features), close_pairs(features)
        least = float(np.quantile(around.radii, _LEAST_RADIUS))
        ratios = np.sort(around.ratios(found, distances, least))
        floor = max(1e-4 * np.median(ratios), np.finfo(np.float32).tiny)
        pairs = min(max(_PAIRS, round(_SHARE * n)), len(ratios))
        closest = np.maximum(ratios[:pairs], floor)
        dimension = (pairs - 2) / max(np.log(closest[-1] / closest[:-1]).sum(), 1e-9)
        identical = count_pairs(features, floor * np.maximum(around.radii, least))
        return cls(n, pairs, float(closest[-1]), float(dimension), float(floor), identical, least, around.bulk)

    def threshold(self, n: int) -> tuple[float, float, float]:
        """The threshold for near-duplicates among n images, where n * EXPECTED / 2 pairs are expected.

        Returns:
          The ratio. The expected number of pairs within it, raised if real images repeat themselves more often. The
          variance of the logarithm of that number.
        """
        expected, more = n * EXPECTED / 2, math.comb(n, 2) / math.comb(self.n, 2)
        excess = np.log(self.pairs * more / expected)
        ratio = max(self.scale * np.exp(-excess / self.dimension), self.floor)
        if self.identical * more > expected:
            return float(ratio), self.identical * more, 1 / self.identical
        return float(ratio), expected, float((1 + excess**2) / self.pairs)


def close_pairs(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [p, 2] of each row with its 5 nearest, the lower index first, and their distances [p], closest first."""
    others, distances = nearest(features, k=min(_NEIGHBOURS, len(features) - 1))
    pairs = np.sort(np.stack([np.repeat(np.arange(len(features)), others.shape[1]), others.ravel()], 1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    distances = distances.ravel()[first]
    order = np.argsort(distances, kind="stable")
    return pairs[order], distances[order]


def count_pairs(features: np.ndarray, within: float | np.ndarray) -> int:
    """The number of pairs of rows within a distance, including pairs beyond the limit of `close_pairs`.

    Args:
      within: one distance, or a distance for each row. A pair counts within the mean of both.
    """
    within = np.broadcast_to(np.asarray(within, np.float64), len(features))
    pairs, distances = close_pairs(features)
    near = pairs[distances <= within[pairs].mean(1)]
    if len(near) and np.bincount(near.ravel()).max() >= _NEIGHBOURS:
        # Rows that are so close have nearly one distance, so that each may count with its own.
        return max(len(near), round(count_within(features, within).sum() / 2))
    return len(near)


def near_duplicates(real: np.ndarray, fake: np.ndarray, seed: int) -> dict:
    """The share of samples with a near-duplicate, and whether it exceeds the expectation from real images.

    Args:
      real: features [n_real, D]. fake: features [n_fake, D].
    """
    n, closeness = len(fake), Closeness.of(real)
    within, expected, variance = closeness.threshold(n)
    around, (pairs, distances) = Surroundings.of(fake, seed), close_pairs(fake)
    least = closeness.least * max(1.0, around.bulk / max(closeness.bulk, np.finfo(np.float32).tiny))
    ratios = around.ratios(pairs, distances, least)
    order = np.argsort(ratios, kind="stable")
    pairs, ratios = pairs[order], ratios[order]
    near, total = pairs[ratios <= within], count_pairs(fake, within * np.maximum(around.radii, least))
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
        "threshold_ratio": within,
        "surroundings": SURROUNDINGS,
        "dimension": closeness.dimension,
        "pairs": total,
        "support": math.comb(n, 2) / total if total else None,
        "support_expected": math.comb(n, 2) / expected,
        "closest_pairs": pairs[:LISTED].tolist(),
        "closest_ratios": ratios[:LISTED].tolist(),
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
