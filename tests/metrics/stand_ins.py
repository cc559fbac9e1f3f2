"""Stand-ins for what evaluation hands to a metric: sets of real images, a tiny feature network, a stream of batches."""

import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.frechet import FeatureStatistics


def projection(feature_size: int = 16, classes: int = 10, seed: int = 0, name: str = "projection") -> Extractor:
    """A deterministic feature network for images up to 64x64x3: a fixed random projection of the pixels.

    All sums are of integers below 2^24, so that no batch size changes the rounding.
    """

    def apply(images):
        pixels = jnp.asarray(images, jnp.float32).reshape(len(images), -1) - 128
        weights = np.random.default_rng(seed).integers(-8, 9, size=(pixels.shape[1], feature_size + classes))
        out = jnp.matmul(pixels, jnp.asarray(weights, jnp.float32), precision="highest")
        out /= 600 * np.sqrt(pixels.shape[1])
        return out[:, :feature_size], out[:, feature_size:]

    return Extractor(name, "none", 0, "none", "x - 128", feature_size, apply, label=name)


def given(name: str = "given") -> Extractor:
    """A feature network for tests of the maths: its "images" [B, D] are the features, and also the logits."""

    def apply(images):
        values = jnp.asarray(images, jnp.float32)
        return values, values

    return Extractor(name, "none", 0, "none", "none", 0, apply, label=name)


class NearestMean:
    """Stands for `metrics.classifier.train`: the class with the nearest mean image. It learns in no time."""

    def __init__(self, images, labels, classes: int):
        flat, labels = np.asarray(images[:], np.float64).reshape(len(images), -1), np.asarray(labels)
        far = np.full(flat.shape[1], 1e6)
        self.means = np.stack([flat[labels == c].mean(0) if c in labels else far for c in range(classes)])
        self.examples, self.steps = len(labels), 1

    def classes_of(self, images) -> np.ndarray:
        flat = np.asarray(images[:], np.float64).reshape(len(images), -1)
        return np.linalg.norm(flat[:, None] - self.means, axis=-1).argmin(1)

    classes_of_all = classes_of

    def accuracy(self, images, labels) -> float:
        return float(np.mean(self.classes_of(images) == labels))


class Images:
    """A `metrics.base.ImageSet` of arrays in memory, under one extractor."""

    def __init__(self, images, labels=None, class_names=(), extractor: Extractor | None = None, factors=None):
        self.images, self.class_names, self.factors = np.asarray(images), tuple(class_names), factors
        self.labels = None if labels is None else np.asarray(labels, np.int32)
        self._extractor = extractor or projection()
        self._outputs = None
        self.split = "stand-in"

    def __len__(self) -> int:
        return len(self.images)

    def kept(self, what, facts, load, save, compute):
        return compute()

    def _apply(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        assert name == self._extractor.name, f"asked for {name}, holds {self._extractor.name}"
        if self._outputs is None:
            self._outputs = tuple(np.asarray(output) for output in self._extractor.apply(self.images))
        return self._outputs

    def features(self, extractor: str) -> np.ndarray:
        return self._apply(extractor)[0]

    def logits(self, extractor: str) -> np.ndarray:
        return self._apply(extractor)[1]

    def statistics(self, extractor: str) -> FeatureStatistics:
        return FeatureStatistics.of(self.features(extractor))


def measure(module, fake, *, real=None, train=None, extractor=None, batch_size=64, seed=0, labels=None, **more) -> dict:
    """The result of the metric `module` on images `fake` [N, ...], streamed in padded batches as evaluation does.

    real, train: arrays (sets without labels are made of them) or `Images`. labels: of `train` and `real`, a pair.
    extractor: `projection()` unless given. more: further fields of the context.
    """
    extractor = extractor or projection()
    of_train, of_real = labels or (None, None)
    real = real if real is None or isinstance(real, Images) else Images(real, of_real, extractor=extractor)
    train = train if train is None or isinstance(train, Images) else Images(train, of_train, extractor=extractor)
    fake = np.asarray(fake)
    n_real = len(fake if real is None else real.images)
    name = extractor.name if module.EXTRACTOR else None
    context = Context(n_real, len(fake), seed, real, train, name, fake.shape[1:], **more)
    accumulator = module.start(context)
    for first in range(0, len(fake), batch_size):
        ids = np.minimum(np.arange(first, first + batch_size), len(fake) - 1)
        count = min(batch_size, len(fake) - first)
        accumulator.update(OutputBatch(jnp.asarray(fake[ids]), count, None, lambda name: extractor))
    return accumulator.result()
