"""Watches the numbers of a run for the ones that mean it has failed."""

import math

from jaxgen.errors import UserError

# Parts of the names of the terms that make a run fail; all others only show that it has.
_CAUSES = ("loss", "elbo", "logits", "grad_norm", "penalty", "kl", "log_likelihood")


def check_finite(first_step: int, metrics: dict[str, list[float]], where: str, told: str = "") -> None:
    """Stops the run at the first value that is not a number.

    Args:
      first_step: the step that the lists' first entries belong to.
      metrics: name -> one value a step; looked through step by step, losses and what they are made of before what is
        merely observed, and otherwise in the order of the names.
      where: what the user still has, for the error line.
      told: what the error line begins with.

    Raises:
      UserError: names the step and the first bad term.
    """
    count = len(next(iter(metrics.values()), []))
    ordered = sorted(metrics.items(), key=lambda item: not any(word in item[0] for word in _CAUSES))
    for i in range(count):
        for name, values in ordered:
            if not math.isfinite(values[i]):
                raise UserError(
                    f"{told}{name} became {values[i]} at step {first_step + i}: training stopped; {where}. "
                    "A lower learning rate or optimizers.*.clip_norm usually helps"
                )
