from types import SimpleNamespace

import numpy as np
import pytest

from jaxgen.metrics.base import OutputBatch
from jaxgen.metrics.subset import StreamSubset, indices


@pytest.mark.parametrize("batch_size", [1, 7, 100, 250])
def test_stream_gives_the_wanted_images_in_any_batches(batch_size):
    images = np.arange(100, dtype=np.uint8)[:, None, None, None]
    subset = StreamSubset(100, 30, seed=3)
    for i in range(0, 100, batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), 99)  # the last batch is padded
        subset.update(OutputBatch(images[ids], min(batch_size, 100 - i), None, SimpleNamespace))
    np.testing.assert_array_equal(subset.rows().ravel(), indices(100, 30, 3))


def test_indices_are_random_sorted_distinct_and_seeded():
    chosen = indices(1000, 100, 0)
    assert len(set(chosen.tolist())) == 100
    assert np.all(np.diff(chosen) > 0)
    assert chosen[50] > 300  # not the first hundred
    assert not np.array_equal(chosen, indices(1000, 100, 1))
    np.testing.assert_array_equal(indices(5, 10, 0), np.arange(5))
