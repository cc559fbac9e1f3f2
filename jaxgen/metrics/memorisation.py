"""Memorisation: whether samples lie nearer to the training images than unseen real images do.

Held-out real images set the scale. The value is the share of samples as near to a training image as the nearest
QUANTILE of held-out images. It rises with copies, however few. But it also rises if samples are only of those kinds
whose images are all close to each other, such as the ones of MNIST. So samples are compared with held-out images of the
same kind. The kind of an image is that of its nearest training image. It has two parts. One is the class, or without
labels a cluster of the features. The other is how far this training image is from its own nearest other one.

The test is exact and one-sided (Cochran 1954, Mantel and Haenszel 1959). Its hypothesis: within a kind, the near images
divide between samples and held-out images as all images of this kind do. If that is true, at most one evaluation in a
hundred is found, whatever the shares of the kinds are. EXCESS makes it fewer. A model that leaves out a part of a class
can still be found, so look at the neighbours (`manifold.nearest`).

`probability_nearer` compares all images, whatever their kind. It rises if the whole model keeps too close to training
images. It falls with poor samples, so a low number proves nothing.
"""

import numpy as np
from scipy.stats import hypergeom, mannwhitneyu

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, digests, of_features_and_digests
from jaxgen.metrics.manifold import nearest

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "memorisation", "share of samples"
MEANING = (
    "Share of samples as near to a training image as the nearest hundredth of unseen real images: "
    "0.01 is usual, and much more means copies."
)
SETTINGS = ("n_train", "threshold_quantile")
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("train.features", "train.images", "real.features")
FEW = "few images have no nearest hundredth"
QUANTILE = 0.01
# What counts as a finding: unlikely by chance, and so many more of the samples than of held-out images.
LEVEL, EXCESS = 0.01, 0.005
# Levels of closeness among training images, and clusters where there are no classes.
LEVELS, CLUSTERS = 5, 20
_FITTED = 4000  # training images that clusters are fitted to, at most
# Standard deviations within which a distribution is computed. Nothing of note lies beyond.
_WIDE = 12
# Pairs of sample and training image that the result lists, closest first, for pictures.
LISTED = 16


def kinds(train: np.ndarray, labels: np.ndarray | None, seed: int = 0) -> np.ndarray:
    """The kind of each training image, int [n]: its class or cluster, and its level of closeness to the others.

    Args:
      train: features [n, D]. labels: classes [n], or None.
    """
    if labels is None:
        labels = _clusters(train, seed)
    groups = np.unique(labels, return_inverse=True)[1]
    if len(train) < 2 * LEVELS:
        return groups
    spacing = nearest(train)[1][:, 0]
    edges = np.quantile(spacing, np.linspace(0, 1, LEVELS + 1)[1:-1])
    return groups * LEVELS + np.searchsorted(edges, spacing)


def _clusters(train: np.ndarray, seed: int) -> np.ndarray:
    # Imported here: it takes a second, which data with classes do not need.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(CLUSTERS, len(train))
    fitted = train[np.random.default_rng(seed).permutation(len(train))[:_FITTED]]
    with threadpool_limits(1):
        return (
            KMeans(min(count, len(np.unique(fitted, axis=0))), n_init=1, random_state=seed).fit(fitted).predict(train)
        )


def compared(near: np.ndarray, kind: np.ndarray, near_real: np.ndarray, kind_real: np.ndarray) -> tuple[float, float]:
    """The share of near samples that held-out images of the same kinds lead to, and the p-value of the true share.

    Kinds without held-out images are left out of the test. They are expected to be near as often as all are.

    Args:
      near, kind: bool [n] and int [n] of the samples. near_real, kind_real: of the held-out images.
    """
    expected, found, lowest, chances = 0.0, 0, 0, np.ones(1)
    for which in np.unique(kind):
        of, of_real = kind == which, kind_real == which
        n, n_real, hits, hits_real = of.sum(), of_real.sum(), near[of].sum(), near_real[of_real].sum()
        expected += n * (hits_real / n_real if n_real else near_real.mean())
        if not n_real or not hits + hits_real:
            continue
        # Given all numbers but one, the near ones among the samples of a kind are hypergeometric.
        mean, share = n * (hits + hits_real) / (n + n_real), (hits + hits_real) / (n + n_real)
        wide = _WIDE * np.sqrt(mean * (1 - share) * n_real / max(n + n_real - 1, 1)) + _WIDE
        low = max(0, hits + hits_real - n_real, int(mean - wide))
        high = min(n, hits + hits_real, int(mean + wide))
        chances = np.convolve(chances, hypergeom.pmf(np.arange(low, high + 1), n + n_real, hits + hits_real, n))
        found, lowest = found + hits, lowest + low
    tail = chances[max(found - lowest, 0) :].sum()
    return float(expected / len(near)), float(min(tail, 1.0))


def nearness(
    train: np.ndarray, held_out: np.ndarray, fake: np.ndarray, labels: np.ndarray | None = None, seed: int = 0
) -> dict:
    """Compares samples' distances to their nearest training image with those of held-out images.

    Both sides search the same training images, so their own numbers do not matter. `rank_z` is the standardised
    Mann-Whitney statistic. Above 0, samples are nearer. It is minus the C_T of Meehan et al. 2020 with a single cell.

    Args:
      train, held_out, fake: features [n, D].
      labels: classes of the training images, or None.
    """
    index, distance = (x[:, 0] for x in nearest(fake, train))
    index_held_out, usual = (x[:, 0] for x in nearest(held_out, train))
    # Identical images may come out of a network a rounding apart: a threshold of 0 would miss copies.
    within = max(np.quantile(usual, QUANTILE, method="inverted_cdf"), 1e-4 * np.median(usual))
    near, near_held_out = distance <= within, usual <= within
    n, n_held_out, share = len(fake), len(held_out), float(near.mean())
    kind = kinds(train, labels, seed)
    expected, chance = compared(near, kind[index], near_held_out, kind[index_held_out])
    pairs = n * n_held_out
    nearer = mannwhitneyu(usual, distance, method="asymptotic").statistic
    out = {
        "value": share,
        "spread": float(np.sqrt(share * (1 - share) / n)),
        "spread_kind": "standard error over samples",
        "share_held_out": float(near_held_out.mean()),
        "expected_share": expected,
        "p_value": chance,
        "found": bool(chance < LEVEL and share - expected >= EXCESS),
        "kinds": f"{'clusters' if labels is None else 'classes'} in {LEVELS} levels of closeness",
        "threshold": float(within),
        "threshold_quantile": QUANTILE,
        "probability_nearer": float(nearer / pairs),
        "rank_z": float((nearer - pairs / 2) / np.sqrt(pairs * (n + n_held_out + 1) / 12)),
        "median_distance": float(np.median(distance)),
        "median_distance_held_out": float(np.median(usual)),
        "n_train": len(train),
        "closest_pairs": [[int(i), int(index[i])] for i in np.argsort(distance, kind="stable")[:LISTED]],
    }
    if out["median_distance_held_out"] <= 1e-4 * out["median_distance"]:
        out |= {"value": float("nan"), "spread": None, "found": False}
        out["note"] = "most real images are training images, but memorisation needs a split unseen in training"
    return out


def start(context: Context) -> Collected:
    """An accumulator of the share of samples unusually near to a training image.

    `found` sums it up. `exact_copies` counts samples with the pixels of a training image. `closest_pairs` holds
    numbers of samples and of training images.
    """
    train, real = (images.features(context.extractor) for images in (context.train, context.real))

    def finish(fake: np.ndarray, of_fake: list[bytes]) -> dict:
        of_train = set(digests(context.train.images))
        measured = nearness(train, real, fake, context.train.labels, context.seed)
        return {**measured, "exact_copies": sum(digest in of_train for digest in of_fake)}

    return of_features_and_digests(context.extractor, finish)
