from types import SimpleNamespace

import numpy as np
import pytest

from jaxgen.metrics.base import OutputBatch
from jaxgen.metrics.collected import StreamSubset, digests, indices
from jaxgen.metrics.remembered import remembered


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


def test_digests_tell_images_apart_and_stream_what_is_not_in_memory():
    images = np.random.default_rng(0).integers(256, size=(2500, 2, 2, 3)).astype(np.uint8)
    images[2400] = images[3]
    found = digests(images)
    assert found[2400] == found[3]
    assert len(set(found)) == 2499

    class Streamed:
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            assert len(range(*index.indices(len(images)))) <= 1000
            return images[index]

    assert digests(Streamed()) == found


def test_remembered_goes_by_content_and_forgets_the_oldest():
    calls = []

    @remembered(keep=2)
    def total(x, *, scale=1):
        calls.append(scale)
        return float(x.sum()) * scale

    x = np.arange(3.0)
    assert total(x) == total(x.copy()) == total(x[:]) == 3
    assert calls == [1]
    assert total(x, scale=2) == 6
    x[0] = 1  # the same array with other numbers
    assert total(x) == 4
    assert calls == [1, 2, 1]
    assert total(np.arange(3.0)) == 3  # the first result had to go
    assert calls == [1, 2, 1, 1]
    # Equal bytes of another shape or type are something else.
    assert total(np.zeros(4, np.float32)) == total(np.zeros(2)) == 0
    assert len(calls) == 6
