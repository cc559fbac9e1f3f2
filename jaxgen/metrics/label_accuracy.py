"""The share of real images whose class the model itself names right, for models that classify."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number, of_output

NEEDS = "classify"
DIRECTION = "higher"
TITLE, UNIT = "label accuracy", ""
MEANING = "Share of test images whose class the model's own classifier names right."
MIN_SAMPLES = 100
EXTRACTOR = None
USES = ("real.labels",)


def start(context: Context) -> Collected:
    """An accumulator of the share of images whose largest logit is that of their class."""

    def finish(logits: np.ndarray) -> dict:
        count = len(logits)
        if bad := int((~np.isfinite(logits)).any(1).sum()):
            return no_number(f"the classifier gave numbers that are not finite for {bad} of {count} images")
        right = logits.argmax(1) == context.real.labels[:count]
        accuracy = float(right.mean())
        return {
            "value": accuracy,
            "spread": float(np.sqrt(accuracy * (1 - accuracy) / count)),
            "spread_kind": "standard error of a share",
            "errors": int(count - right.sum()),
        }

    return of_output(finish)
