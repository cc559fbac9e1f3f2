"""Watches the numbers of a run for the ones that mean it has failed."""

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic

# Parts of the names of the terms that make a run fail; all others only show that it has.
_CAUSES = ("loss", "elbo", "logits", "grad_norm", "penalty", "kl", "log_likelihood")
_FILE = "failure.json"


class NotFinite(UserError):
    """A number of the training became nan or infinite; `record` is what failure.json holds of it."""

    def __init__(self, prefix: str, record: dict[str, Any]):
        super().__init__(prefix + record["message"])
        self.record = record


def check_finite(first_step: int, metrics: dict[str, list[float]], kept: str, seed: int, prefix: str = "") -> None:
    """Stops the run at the first value that is not a number.

    Args:
      first_step: the step that the lists' first entries belong to.
      metrics: name -> one value a step; looked through step by step, losses and what they are made of before what is
        merely observed, and otherwise in the order of the names.
      kept: which checkpoint the user still has, for the error line.
      seed: whose numbers they are.
      prefix: what the error line begins with.

    Raises:
      NotFinite: names the step and the first bad term.
    """
    count = len(next(iter(metrics.values()), []))
    ordered = sorted(metrics.items(), key=lambda item: not any(word in item[0] for word in _CAUSES))
    for i in range(count):
        for name, values in ordered:
            if not math.isfinite(values[i]):
                step = first_step + i
                message = (
                    f"{name} became {values[i]} at step {step}: training stopped; {kept}. "
                    "A lower learning rate or optimizers.*.clip_norm usually helps"
                )
                record = {"kind": "not_finite", "seed": seed, "step": step, "term": name, "value": str(values[i])}
                raise NotFinite(prefix, {**record, "message": message})


def record_failure(folder: Path, failure: NotFinite) -> None:
    """Writes failure.json into the work directory: why the training stopped, for whoever reads the run later."""
    with suppress(OSError):  # a full disk must not hide the failure
        write_atomic(folder / _FILE, json.dumps(failure.record, indent=1) + "\n")


def forget_failure(folder: Path) -> None:
    """Removes failure.json: the training goes on."""
    (folder / _FILE).unlink(missing_ok=True)
