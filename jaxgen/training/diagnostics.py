"""Watches the numbers of a run for the ones that mean it has failed."""

import math

from jaxgen.errors import UserError


def check_finite(first_step: int, metrics: dict[str, list[float]], where: str) -> None:
    """Stops the run at the first value that is not a number.

    Args:
      first_step: the step that the lists' first entries belong to.
      metrics: name -> one value a step; looked through step by step, in the order of the names.
      where: what the user still has, for the error line.

    Raises:
      UserError: names the step and the first bad term.
    """
    count = len(next(iter(metrics.values()), []))
    for i in range(count):
        for name, values in metrics.items():
            if not math.isfinite(values[i]):
                raise UserError(
                    f"{name} became {values[i]} at step {first_step + i}: training stopped; {where}. "
                    "A lower learning rate or optimizers.*.clip_norm usually helps"
                )
