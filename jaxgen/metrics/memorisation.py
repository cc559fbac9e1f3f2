"""Memorisation: whether samples lie nearer to the training images than unseen real images do.

Held-out real images set the scale. The value is the share of samples as near to a training image as the nearest
QUANTILE of held-out images. It rises with copies, however few. `probability_nearer` rises if the whole model keeps too
close to training images. It falls with poor samples, so a low number proves nothing. No such number settles
memorisation: look at the neighbours (`manifold.nearest`).
"""

import numpy as np
from scipy.stats import binomtest, mannwhitneyu

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
# Pairs of sample and training image that the result lists, closest first, for pictures.
LISTED = 16


def nearness(train: np.ndarray, held_out: np.ndarray, fake: np.ndarray) -> dict:
    """Compares samples' distances to their nearest training image with those of held-out images.

    Both sides search the same training images, so their own numbers do not matter. `rank_z` is the standardised
    Mann-Whitney statistic. Above 0, samples are nearer. It is minus the C_T of Meehan et al. 2020 with a single cell.

    Args:
      train, held_out, fake: features [n, D].
    """
    index, distance = (x[:, 0] for x in nearest(fake, train))
    usual = nearest(held_out, train)[1][:, 0]
    # Identical images may come out of a network a rounding apart: a threshold of 0 would miss copies.
    within = max(np.quantile(usual, QUANTILE, method="inverted_cdf"), 1e-4 * np.median(usual))
    near, near_held_out = int((distance <= within).sum()), int((usual <= within).sum())
    n, n_held_out = len(fake), len(held_out)
    share, share_held_out = near / n, near_held_out / n_held_out
    # Were near images as frequent on both sides, those found would divide as all do.
    chance = binomtest(near, near + near_held_out, n / (n + n_held_out), alternative="greater").pvalue
    pairs = n * n_held_out
    nearer = mannwhitneyu(usual, distance, method="asymptotic").statistic
    out = {
        "value": share,
        "spread": float(np.sqrt(share * (1 - share) / n)),
        "spread_kind": "standard error over samples",
        "share_held_out": share_held_out,
        "p_value": float(chance),
        "found": bool(chance < LEVEL and share - share_held_out >= EXCESS),
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
        return {**nearness(train, real, fake), "exact_copies": sum(digest in of_train for digest in of_fake)}

    return of_features_and_digests(context.extractor, finish)
