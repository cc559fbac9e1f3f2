"""Classification accuracy score (Ravuri and Vinyals 2019): a classifier of samples is tested on real images.

The classifier is `jaxgen.metrics.classifier`, not the ResNet-50 of the paper. Compare with `real_trained_accuracy`.
"""

import numpy as np

from jaxgen.metrics import class_samples, classifier
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import StreamSubset, indices
from jaxgen.metrics.sample_labels import of_samples

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "classification accuracy score", ""
MEANING = (
    "Accuracy on real test images of a classifier that saw samples only. `real_trained_accuracy` is that of a "
    "classifier that saw as many real training images. Missing variety lowers it."
)
SETTINGS = ("classifier_examples", "classifier_steps")
MIN_SAMPLES = 1000
EXTRACTOR = None
USES = class_samples.USES
FEW = "a classifier of few samples says nothing"


def start(context: Context) -> StreamSubset:
    """An accumulator of the accuracy. Samples and real training images are equally many: the smaller number of both."""
    names = class_samples.class_names(context)
    count = min(context.n_fake, len(context.train))
    on_real = classifier.of(context.train, len(names), count)
    real_accuracy = on_real.accuracy(context.real.images, context.real.labels)
    kept = indices(context.n_fake, count, context.seed)
    labels = of_samples(context.info, context.n_fake)[kept]

    def finish(fakes: np.ndarray) -> dict:
        model = classifier.train(fakes, labels, len(names))
        right = model.classes_of_all(context.real.images) == np.asarray(context.real.labels)
        of_each, _ = class_samples.mean_of_each(right, np.asarray(context.real.labels), len(names))
        return {
            "value": float(right.mean()),
            "spread": float(np.sqrt(right.mean() * (1 - right.mean()) / len(right))),
            "spread_kind": "standard error over real test images",
            "real_trained_accuracy": real_accuracy,
            "of_each_class": class_samples.by_class(names, of_each),
            "classifier_examples": model.examples,
            "classifier_steps": model.steps,
        }

    return StreamSubset(context.n_fake, count, context.seed, finish=finish)
