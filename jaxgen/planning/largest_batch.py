"""The largest batch whose training step fits, searched by compiling."""

import logging
from collections.abc import Callable

from jaxgen.planning.program import Program, TooLarge

log = logging.getLogger(__name__)


def search(
    compile_batch: Callable[[int], Program | TooLarge], start: int, program: Program | TooLarge, unit: int, limit: int
) -> tuple[int, dict[int, Program | TooLarge]]:
    """The largest multiple of `unit` that fits, to within an eighth; 0 where not even `unit` does.

    Doubled until one does not fit, then halved between: programs of other batches take other turns, so that what fits
    is not to be foretold from their sizes.

    Args:
      compile_batch: batch size -> what the compiler says.
      start, program: a batch size and its program.
      unit: batches are multiples of it.
      limit: no batch beyond this is tried.

    Returns:
      The batch, and all that was compiled.
    """
    tried = {start: program}
    fits, fails = (start, None) if isinstance(program, Program) else (0, start)
    while True:
        batch = _next(fits, fails, unit, limit)
        if batch is None:
            return fits, tried
        log.info("compiling with batch %d ...", batch)
        tried[batch] = compile_batch(batch)
        if isinstance(tried[batch], Program):
            fits = batch
        else:
            fails = batch


def _next(fits: int, fails: int | None, unit: int, limit: int) -> int | None:
    if fails is None:
        return None if fits * 2 > limit else fits * 2
    if fits == 0:
        return None if fails <= unit else max(unit, fails // 2 // unit * unit)
    middle = (fits + fails) // 2 // unit * unit
    # Finer than an eighth is noise of the compiler's own choices.
    return None if middle <= fits or fails - fits <= fits // 8 else middle
