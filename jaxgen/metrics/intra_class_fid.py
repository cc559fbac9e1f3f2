"""Frechet distance within each class, as a mean over classes (intra-FID, Miyato and Koyama 2018, section 5.1)."""

import numpy as np

from jaxgen.metrics import class_samples
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, of_features
from jaxgen.metrics.frechet import FeatureStatistics, Reference, jackknife
from jaxgen.metrics.kid import squared_mmd
from jaxgen.metrics.sample_labels import of_samples

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance within classes", ""
CANONICAL_TITLE = "intra-class FID"
MEANING = (
    "Mean over classes of the distance between samples and real images of a class. It sees variety within a class. "
    "`real_value` compares training images with test images."
)
SETTINGS = ("images_of_a_class",)
MIN_SAMPLES, FEWEST = 2048, 4  # two images of two classes
EXTRACTOR = CHOSEN
USES = ("real.features", "train.features", *class_samples.USES)
PREFIX = "intra_class_fd"
FEW = "a class would have few samples"


def distances(features: np.ndarray, labels: np.ndarray, references: list, count: int, random) -> np.ndarray:
    """Frechet distances and squared MMDs of a random `count` of each class to its reference, [classes, 2].

    Args:
      features, labels: [n, D], [n]. references: (`Reference`, features) of the real images of each class.
    """
    found = []
    for label, (reference, real) in enumerate(references):
        mine = features[random.permutation(np.flatnonzero(labels == label))[:count]]
        found.append((reference.distance(FeatureStatistics.of(mine)), squared_mmd(real, mine)))
    return np.array(found)


def start(context: Context) -> Collected:
    """An accumulator of the mean distance, with `kernel_distance`, which is unbiased at this number of images.

    All classes and both sides have one number of images, since a Frechet distance falls with it. Most classes have
    fewer images than features. So the number compares with others of the same count only, and with `real_value`.
    """
    names = class_samples.class_names(context)
    sets = context.real, context.train
    real, train = ((part.features(context.extractor), np.asarray(part.labels)) for part in sets)
    labels = of_samples(context.info, context.n_fake)
    counts = [np.bincount(part, minlength=len(names)) for part in (real[1], train[1], labels)]
    count = int(min(part.min() for part in counts))
    if count < 2:
        name = names[int(np.argmin(np.min(counts, axis=0)))]
        return class_samples.nothing(f"it needs two images of each class on each side, and {name!r} has {count} on one")
    random = np.random.default_rng(context.seed)
    references = []
    for label in range(len(names)):
        mine = real[0][random.permutation(np.flatnonzero(real[1] == label))[:count]]
        references.append((Reference(FeatureStatistics.of(mine)), mine))
    of_real = distances(*train, references, count, random)

    def finish(features: np.ndarray) -> dict:
        of_each = distances(features, labels, references, count, np.random.default_rng(context.seed))
        return {
            "value": float(of_each[:, 0].mean()),
            "spread": jackknife([np.delete(of_each[:, 0], i).mean() for i in range(len(names))]),
            "spread_kind": "jackknife standard deviation over classes",
            "real_value": float(of_real[:, 0].mean()),
            "kernel_distance": float(of_each[:, 1].mean()),
            "real_kernel_distance": float(of_real[:, 1].mean()),
            "of_each_class": class_samples.by_class(names, of_each[:, 0]),
            "real_value_of_each_class": class_samples.by_class(names, of_real[:, 0]),
            "images_of_a_class": count,
        }

    return of_features(context.extractor, finish)
