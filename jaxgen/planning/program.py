"""The compiled program of a step, as the compiler for the hardware tells of it: memory, traffic, collectives.

And the largest batch whose program fits, searched by compiling.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from jaxgen.ops.backend import compile_for
from jaxgen.planning.subject import Subject
from jaxgen.training import compiled_steps

# Of bytes each element takes.
_SIZES = {"f32": 4, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "pred": 1, "u8": 1, "s8": 1, "f64": 8, "s64": 8, "u64": 8}
_COLLECTIVE = re.compile(
    r"= (?P<shape>\(?[a-z0-9]+\[[^=]*?) (?P<kind>all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
    r"(?P<start>-start)?\("
)
_ASYNC_START, _ASYNC_DONE, _ASYNC_FUSION = "AsyncCollectiveStart", "AsyncCollectiveDone", "%async_collective_fusion"
_ARRAY = re.compile(r"([a-z0-9]+)\[([0-9,]*)\]")


class Collective(NamedTuple):
    """kind: XLA's name. bytes: size of its results. sometimes: whether it runs under a condition, not in every step."""

    kind: str
    bytes: int
    sometimes: bool


class Program(NamedTuple):
    """One training step on one device.

    arguments, outputs, aliased, temporaries: bytes. Outputs that take an argument's place are aliased.
    operations, bytes_accessed: XLA's counts. A loop counts once, and a condition counts its most expensive branch.
    optimal_seconds: the compiler's own estimate of the time, with the same counts. nan if it gives none.
    """

    arguments: int
    outputs: int
    aliased: int
    temporaries: int
    code: int
    operations: float
    bytes_accessed: float
    collectives: tuple[Collective, ...]
    compile_seconds: float
    optimal_seconds: float = math.nan

    @property
    def bytes(self) -> int:
        """What lies in memory at most."""
        return self.arguments + self.outputs - self.aliased + self.temporaries + self.code


class TooLarge(NamedTuple):
    """The compiler found no way to fit the program. needs: bytes, or nan if unknown."""

    needs: float
    compile_seconds: float


def compile_step(subject: Subject, mesh: Mesh) -> Program | TooLarge:
    """Compiles one training step for the TPUs of `mesh`."""
    start = time.perf_counter()
    try:
        with compile_for("tpu"), _without_cache():
            compiled = compiled_steps.lower_steps(
                subject.recipe, subject.batching, mesh, subject.state, subject.data, steps=1
            ).compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return TooLarge(_needed(str(error)), time.perf_counter() - start)
    memory, costs = compiled.memory_analysis(), compiled.cost_analysis() or {}
    return Program(
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.generated_code_size_in_bytes,
        float(costs.get("flops", np.nan)),
        float(costs.get("bytes accessed", np.nan)),
        collectives_of(compiled.as_text()),
        time.perf_counter() - start,
        float(costs.get("optimal_seconds", np.nan)),
    )


@contextlib.contextmanager
def _without_cache() -> Iterator[None]:
    """A program for a TPU can be put into JAX's compilation cache, and not be read back where there is none."""
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX decides once whether there is one
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _needed(message: str) -> float:
    """Bytes that the compiler says it would need ("Used 20.50G of 15.75G hbm")."""
    match = re.search(r"[Uu]sed ([0-9.]+)([KMGT]) of", message)
    return float(match[1]) * 1024 ** (1 + "KMGT".index(match[2])) if match else math.nan


def collectives_of(hlo: str) -> tuple[Collective, ...]:
    """Every collective of a compiled program, in the order of its text.

    A collective that runs beside other work appears several times in the text: at its start, in every fusion beside it,
    and at its end. It counts at its start.
    """
    return tuple(
        collective
        for computation in re.split(r"\n(?=[%\w])", hlo)
        if _ASYNC_START in computation or not (_ASYNC_DONE in computation or computation.startswith(_ASYNC_FUSION))
        for collective in map(_collective_of, computation.splitlines())
        if collective
    )


def _collective_of(line: str) -> Collective | None:
    match = _COLLECTIVE.search(line)
    if not match:
        return None
    arrays = _ARRAY.findall(match["shape"])
    if match["start"] and match["kind"] != "all-reduce":  # what goes in, what comes out, and scalars of the runtime
        arrays = [(kind, sides) for kind, sides in arrays if kind != "u32" or sides]
        arrays = arrays[len(arrays) // 2 :]
    size = sum(
        _SIZES.get(kind, 0) * math.prod(int(side) for side in sides.split(",") if side) for kind, sides in arrays
    )
    return Collective(match["kind"], size, re.search(r"/cond/|/branch_\d", line) is not None)


def search_largest_batch(
    compile_batch: Callable[[int], Program | TooLarge | None],
    start: int,
    program: Program | TooLarge,
    unit: int,
    limit: int,
) -> tuple[int, dict[int, Program | TooLarge]]:
    """The largest multiple of `unit` that fits, to within an eighth, 0 if none fits.

    The batch is doubled until it does not fit. Then the interval is halved. Programs of other batches compile
    differently, so sizes cannot be predicted. An impossible batch is replaced by the nearest possible batch.

    Args:
      compile_batch: batch size -> the compiler's result, or None for an impossible batch (groups do not divide).
      start, program: a batch size and its program.
      unit: batches are multiples of it.
      limit: the largest batch to try.

    Returns:
      The batch, and all compiled programs. If none of them is too large, `limit` ended the search.
    """
    tried: dict[int, Program | TooLarge | None] = {start: program}
    fits, fails = (start, None) if isinstance(program, Program) else (0, start)
    while (batch := _next(tried, fits, fails, unit, limit)) is not None:
        tried[batch] = compile_batch(batch)
        if isinstance(tried[batch], Program):
            fits = batch
        elif tried[batch] is not None:
            fails = batch
    return fits, {batch: outcome for batch, outcome in tried.items() if outcome is not None}


def _next(tried, fits: int, fails: int | None, unit: int, limit: int) -> int | None:
    """What to try now: the nearest to the target that was not tried yet; None where the search ends."""
    end = limit // unit * unit + unit if fails is None else fails
    # Finer than an eighth is noise of the compiler's own choices.
    if fits and end - fits <= fits // 8:
        return None
    target = min(2 * fits, end - unit) if fails is None else (fits + fails) // 2 // unit * unit
    for distance in range(0, end, unit):
        for batch in (target - distance, target + distance):
            if fits < batch < end and batch not in tried:
                return batch
    return None
