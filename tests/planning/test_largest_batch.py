"""The search for the largest batch, with a compiler that knows what fits."""

import pytest

from jaxgen.planning.largest_batch import search
from jaxgen.planning.program import Program, TooLarge


def compiler(capacity, unit=8):
    def compile_batch(batch):
        assert batch % unit == 0
        if batch > capacity:
            return TooLarge(float("nan"), 0.0)
        return Program(batch, 0, 0, 0, 0, 1.0, 1.0, (), 0.0)

    return compile_batch


@pytest.mark.parametrize("start", [8, 64, 4096])
@pytest.mark.parametrize("capacity", [8, 104, 1000, 3333])
def test_within_an_eighth_of_what_fits(start, capacity):
    compile_batch = compiler(capacity)
    batch, tried = search(compile_batch, start, compile_batch(start), 8, 65_536)
    assert batch <= capacity
    assert batch >= capacity - max(8, capacity // 8)
    assert len(tried) < 20


def test_nothing_fits_and_everything_fits():
    none = compiler(0)
    assert search(none, 64, none(64), 8, 65_536)[0] == 0
    every = compiler(10**9)
    for limit, largest in ((1000, 1000), (1004, 1000), (512, 512), (64, 64)):
        batch, tried = search(every, 64, every(64), 8, limit)
        assert batch == largest
        assert max(tried) <= limit


@pytest.mark.parametrize("start", [3, 8, 24])
@pytest.mark.parametrize("capacity", [2, 7, 8, 100, 5000])
def test_batches_that_cannot_be_are_stepped_over(start, capacity):
    """As StyleGAN2's groups of 8: fewer images are one group, more are whole groups."""
    compile_batch, asked = compiler(capacity, unit=1), []

    def grouped(batch):
        asked.append(batch)
        return compile_batch(batch) if batch <= 8 or batch % 8 == 0 else None

    batch, tried = search(grouped, start, grouped(start), 1, 4100)
    assert None not in tried.values()
    whole = min(capacity, 4100) if capacity < 8 else min(capacity, 4100) // 8 * 8
    assert whole - max(8 if capacity > 8 else 0, whole // 8) <= batch <= whole
    assert len(asked) == len(set(asked))
