"""The search for the largest batch, with a compiler that knows what fits."""

import pytest

from jaxgen.planning.largest_batch import search
from jaxgen.planning.program import Program, TooLarge


def compiler(capacity):
    def compile_batch(batch):
        assert batch % 8 == 0
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
    assert search(every, 64, every(64), 8, 1000)[0] == 512
