"""The largest batch whose training step fits, searched by compiling."""

from collections.abc import Callable

from jaxgen.planning.program import Program, TooLarge


def search(
    compile_batch: Callable[[int], Program | TooLarge | None],
    start: int,
    program: Program | TooLarge,
    unit: int,
    limit: int,
) -> tuple[int, dict[int, Program | TooLarge]]:
    """The largest multiple of `unit` that fits, to within an eighth; 0 where none does.

    Doubled until one does not fit, then halved between: programs of other batches take other turns, so that what fits
    is not to be foretold from their sizes. Batches that cannot be are stepped over, to the nearest that can.

    Args:
      compile_batch: batch size -> what the compiler says; None where there is no such run (groups that do not divide).
      start, program: a batch size and its program.
      unit: batches are multiples of it.
      limit: no batch beyond this is tried.

    Returns:
      The batch, and all that was compiled: where nothing in it is too large, `limit` ended the search.
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
