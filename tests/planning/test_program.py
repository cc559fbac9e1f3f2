"""What is read from a compiled program and from the compiler's refusals; the search for the largest batch."""

import math

import pytest

from jaxgen.planning.program import Collective, Program, TooLarge, _needed, collectives_of, search_largest_batch

HLO = """
  %all-reduce.1 = (f32[2,64]{1,0:T(2,128)S(1)}, bf16[128]{0}) all-reduce(%a, %b), channel_id=1, metadata={op_name="x"}
  %psum.2 = f32[256]{0} all-reduce-start(%c), channel_id=2, metadata={op_name="jit(run)/while/body/cond/branch_1_fun"}
  %done = f32[256]{0} all-reduce-done(%psum.2)
  %get = f32[2,64]{1,0} get-tuple-element(%all-reduce.1), index=0
  %gathered = u8[8,3]{1,0} all-gather(%d), dimensions={0}
  %scalar = f32[] all-reduce(%e), to_apply=%sum
  %moved = (f32[4,64]{1,0}, f32[4,64]{1,0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%f), channel_id=5
  %beside = (f32[3]{0}, f32[24]{0}) all-gather-start(%g), dimensions={0}
"""


def test_collectives_with_their_bytes():
    assert collectives_of(HLO) == (
        Collective("all-reduce", 4 * 128 + 2 * 128, False),
        Collective("all-reduce", 1024, True),
        Collective("all-gather", 24, False),
        Collective("all-reduce", 4, False),
        Collective("collective-permute", 1024, False),
        Collective("all-gather", 96, False),
    )


def test_what_a_program_needs_leaves_out_aliases():
    program = Program(100, 90, 80, 30, 5, 1.0, 1.0, (), 0.0)
    assert program.bytes == 145


def test_what_the_compiler_says_that_it_would_need():
    assert _needed("RESOURCE_EXHAUSTED: Ran out of memory ... Used 20.50G of 15.75G hbm. Exceeded") == 20.5 * 2**30
    assert math.isnan(_needed("RESOURCE_EXHAUSTED: no more of it"))


ASYNC = """
%fused_computation.887 (param_0.2563: f32[1024]) -> (f32[1024], u32[]) {
  %all-gather.11 = f32[2048]{0:T(1024)} all-gather(%param_0.2563), channel_id=2, dimensions={0}
  ROOT %custom-call.7 = (f32[1024], u32[]) custom-call(%all-gather.11), custom_call_target="AsyncCollectiveStart"
}

%async_collective_fusion.602 (param_0.2566: f32[1024], param_1.3208: f32[2048]) -> (f32[], f32[1024], f32[2048]) {
  %all-gather.13 = f32[2048]{0:T(1024)S(1)} all-gather(%param_0.2566), channel_id=2, dimensions={0}
}

%fused_computation.890 (param_0.2572: f32[1024], param_1.3214: f32[2048]) -> f32[2048] {
  %all-gather.17 = f32[2048]{0:T(1024)} all-gather(%param_0.2572), channel_id=2, dimensions={0}
  ROOT %custom-call.9 = f32[2048] custom-call(%all-gather.17), custom_call_target="AsyncCollectiveDone"
}

ENTRY %main.59_spmd (param.1: f32[1024]) -> f32[2048] {
  %async-collective-start = (f32[1024], u32[]) fusion(%param.1), calls=%fused_computation.887
  %all-gather.18 = f32[10240]{0:T(1024)S(1)} all-gather(%pad.28), channel_id=3, dimensions={0}
}
"""


def test_one_that_runs_beside_other_work_counts_once():
    assert collectives_of(ASYNC) == (Collective("all-gather", 8192, False), Collective("all-gather", 40960, False))


def compiler(capacity, unit=8):
    """A compiler that knows what fits."""

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
    batch, tried = search_largest_batch(compile_batch, start, compile_batch(start), 8, 65_536)
    assert batch <= capacity
    assert batch >= capacity - max(8, capacity // 8)
    assert len(tried) < 20


def test_nothing_fits_and_everything_fits():
    none = compiler(0)
    assert search_largest_batch(none, 64, none(64), 8, 65_536)[0] == 0
    every = compiler(10**9)
    for limit, largest in ((1000, 1000), (1004, 1000), (512, 512), (64, 64)):
        batch, tried = search_largest_batch(every, 64, every(64), 8, limit)
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

    batch, tried = search_largest_batch(grouped, start, grouped(start), 1, 4100)
    assert None not in tried.values()
    whole = min(capacity, 4100) if capacity < 8 else min(capacity, 4100) // 8 * 8
    assert whole - max(8 if capacity > 8 else 0, whole // 8) <= batch <= whole
    assert len(asked) == len(set(asked))
