import numpy as np
import pytest

from jaxgen.metrics import label_accuracy
from jaxgen.metrics.base import Context, OutputBatch


class Labelled:
    labels = np.arange(200) % 10


def result(logits, batch):
    accumulator = label_accuracy.start(Context(200, len(logits), 0, real=Labelled))
    for first in range(0, len(logits), batch):
        rows = np.minimum(np.arange(first, first + batch), len(logits) - 1)
        accumulator.update(OutputBatch(logits[rows], min(batch, len(logits) - first), None, None))
    return accumulator.result()


def test_it_counts_images_whose_largest_logit_is_that_of_their_class():
    logits = np.eye(10)[np.arange(150) % 10].astype(np.float32)
    logits[:30] = np.roll(logits[:30], 1, axis=1)
    for batch in (150, 40):
        found = result(logits, batch)
        assert found["value"] == pytest.approx(120 / 150)
        assert found["errors"] == 30
        assert found["spread"] == pytest.approx(np.sqrt(0.8 * 0.2 / 150))
    logits[3, 2] = np.nan
    assert "not finite for 1 of 150" in result(logits, 50)["note"]
