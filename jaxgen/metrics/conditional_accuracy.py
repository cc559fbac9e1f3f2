"""How often a sample shows the class that it was made for, as a classifier of real images sees it."""

import numpy as np

from jaxgen.metrics import class_samples, classifier
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.sample_labels import of_samples

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "conditional accuracy", ""
MEANING = (
    "How often a classifier of real images sees the class that a sample was made for, a mean over classes. "
    "`real_accuracy` is that of real test images. Easy samples are right more often."
)
SETTINGS = ("classifier_examples", "classifier_steps")
MIN_SAMPLES = 1000
EXTRACTOR = None
USES = class_samples.USES
FEW = "a class would have few samples"


def start(context: Context) -> Collected:
    """An accumulator of the mean over classes, so that all classes count alike whatever their shares."""
    names = class_samples.class_names(context)
    model = classifier.of(context.train, len(names))
    real_accuracy = model.accuracy(context.real.images, context.real.labels)

    def finish(seen: np.ndarray) -> dict:
        labels = of_samples(context.info, len(seen))
        of_each, counts = class_samples.mean_of_each(seen == labels, labels, len(names))
        known = counts > 0
        variance = of_each[known] * (1 - of_each[known]) / counts[known]
        return {
            "value": float(of_each[known].mean()),
            "spread": float(np.sqrt(variance.sum()) / known.sum()),
            "spread_kind": "standard error over samples",
            "real_accuracy": real_accuracy,
            "of_each_class": class_samples.by_class(names, of_each),
            "classifier_examples": model.examples,
            "classifier_steps": model.steps,
        }

    return Collected(lambda batch: batch.host(model.classes_of(batch.fake)), finish)
