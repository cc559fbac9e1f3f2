"""Distance between an image and its copy in a network's features. It compares content more than pixels."""

import numpy as np

from jaxgen.metrics.base import CHOSEN, Context, OutputBatch
from jaxgen.metrics.collected import Collected, mean_and_deviation

NEEDS = "reconstruct"
DIRECTION = "lower"
TITLE, UNIT = "feature distance", ""
MEANING = "How far a copy is from its original in a network's features (0: equal features)."
SETTINGS = ("distance",)
MIN_SAMPLES = 1
EXTRACTOR = CHOSEN
LABELLED = True  # no network is the canonical one for it


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cos(a, b) of each row of [N, D], float64 [N], in [0, 2]. It is 1 if one row is zero, and 0 if both are."""
    # Half the squared distance of unit vectors is the same number, without the cancellation near 0.
    rows = (np.asarray(x, np.float64) for x in (a, b))
    units = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in rows]
    distance = np.sum((units[0] - units[1]) ** 2, axis=1) / 2
    zero = sum(~unit.any(axis=1) for unit in units) == 1
    return np.where(zero, 1.0, distance)


def euclidean_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| of each row of [N, D], float64 [N]."""
    return np.linalg.norm(np.subtract(a, b, dtype=np.float64), axis=1)


def start(context: Context) -> Collected:
    """An accumulator of the mean cosine distance over pairs, with the mean Euclidean distance beside it."""

    def distances(batch: OutputBatch) -> np.ndarray:
        fake, real = (batch.features(context.extractor, of=of)[0] for of in ("fake", "real"))
        return np.stack([cosine_distance(real, fake), euclidean_distance(real, fake)], axis=1)

    def finish(rows: np.ndarray) -> dict:
        cosine, euclidean = np.ascontiguousarray(rows.T)
        return {
            **mean_and_deviation(cosine),
            "distance": "cosine",
            "euclidean": float(euclidean.mean()),
            "euclidean_standard_deviation": float(euclidean.std()),
        }

    return Collected(distances, finish)
