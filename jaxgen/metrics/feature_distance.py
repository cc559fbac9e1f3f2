"""Distance between an image and its copy in a network's features: whether they show the same, not the same pixels."""

import numpy as np

from jaxgen.metrics.base import CHOSEN, Context, OutputBatch

NEEDS = "reconstruct"
DIRECTION = "lower"
TITLE, UNIT = "feature distance", ""
MEANING = "How far a copy is from its original in a network's features (0: it shows the same)."
SETTINGS = ("distance",)
MIN_SAMPLES = 1
EXTRACTOR = CHOSEN
LABELLED = True  # no network is the canonical one for it


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cos(a, b) of each row of [N, D], float64 [N], in [0, 2]; 1 where just one is zero, 0 where both are."""
    # Half the squared distance of unit vectors is the same number, without the cancellation near 0.
    units = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in _float64(a, b)]
    distance = np.sum((units[0] - units[1]) ** 2, axis=1) / 2
    zero = sum(~unit.any(axis=1) for unit in units) == 1
    return np.where(zero, 1.0, distance)


def euclidean_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| of each row of [N, D], float64 [N]."""
    a, b = _float64(a, b)
    return np.linalg.norm(a - b, axis=1)


def _float64(*arrays):
    return (np.asarray(array, np.float64) for array in arrays)


class _FeatureDistance:
    def __init__(self, extractor: str):
        self._extractor = extractor
        self._cosine: list[np.ndarray] = []
        self._euclidean: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        fake, real = (batch.features(self._extractor, of=of)[0] for of in ("fake", "real"))
        self._cosine.append(cosine_distance(real, fake))
        self._euclidean.append(euclidean_distance(real, fake))

    def result(self) -> dict:
        cosine, euclidean = np.concatenate(self._cosine), np.concatenate(self._euclidean)
        return {
            "value": float(cosine.mean()),
            "spread": float(cosine.std()),
            "spread_kind": "standard deviation over images",
            "standard_error": float(cosine.std() / np.sqrt(len(cosine))),
            "distance": "cosine",
            "euclidean": float(euclidean.mean()),
            "euclidean_standard_deviation": float(euclidean.std()),
        }


def start(context: Context) -> _FeatureDistance:
    """An accumulator of the mean cosine distance over pairs, with the mean Euclidean distance beside it."""
    return _FeatureDistance(context.extractor)
