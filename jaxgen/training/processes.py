"""Several processes of one run: who writes, and how they agree."""

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxgen.errors import UserError

# Seconds in which the others may see by themselves what ends them all; without the primary process JAX aborts them.
_GRACE = 2.0


def start_processes(coordinator_address: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process to the others of a run; cluster managers that JAX knows need no arguments."""
    jax.config.update("jax_enable_preemption_service", True)
    jax.distributed.initialize(coordinator_address, num_processes, process_id)


def are_several() -> bool:
    """Whether this process is one of several."""
    return jax.process_count() > 1


def is_primary() -> bool:
    """Whether this process writes the logs and pictures."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Returns when every process is here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def anywhere(flag: bool) -> bool:
    """Whether `flag` is true in any process, so that all of them decide alike."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def reached_notice(question: int) -> bool:
    """Whether all processes are to save and end here, since one of them was told that its end is near.

    JAX's preemption service listens to SIGTERM, looks for it once a second, and lets the processes agree on the first
    question that none of them has asked: until then asking costs nothing.

    Args:
      question: 1, 2, 3, ... in every process, at the same places of the program. One of them, once, is answered yes.
    """
    return multihost_utils.reached_preemption_sync_point(question)


def share(value: Any) -> Any:
    """The primary process's value, in every process; what the others pass is of no account."""
    if jax.process_count() == 1:
        return value
    data = np.frombuffer(pickle.dumps(value) if is_primary() else b"", np.uint8)
    # All must know the length before; powers of two, since each length is a program to compile.
    bits = int(multihost_utils.broadcast_one_to_all(np.int32(len(data).bit_length())))
    buffer = np.zeros(1 << bits, np.uint8)
    buffer[: len(data)] = data
    return pickle.loads(multihost_utils.broadcast_one_to_all(buffer).tobytes())


def gather(rows: np.ndarray) -> np.ndarray:
    """Rows [n, ...] of every process one after the other, [processes * n, ...], in every process."""
    rows = np.ascontiguousarray(rows)
    if jax.process_count() == 1:
        return rows
    # As bytes, for JAX would make float32 of float64.
    data = multihost_utils.process_allgather(rows.reshape(len(rows), -1).view(np.uint8))
    return np.ascontiguousarray(data).view(rows.dtype).reshape(-1, *rows.shape[1:])


def whole(state: Any) -> Any:
    """A pytree of device arrays as this process can read them; all must ask at the same time."""
    if jax.process_count() == 1:
        return state

    def here(leaf):
        if leaf.is_fully_replicated:
            return leaf.addressable_data(0)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(here, state)


def together(action: Callable[[], Any]) -> Any:
    """What `action` gives in the primary process, which alone does it; its refusal is that of all.

    Raises:
      UserError: it was refused; the others would wait for a process that has gone.
    """
    value, refused = None, ""
    if is_primary():
        try:
            value = action()
        except UserError as error:
            refused = str(error)
    if refused := share(refused):
        raise UserError(refused)
    return value


def has_lost_another(error: Exception) -> bool:
    """Whether an error of the runtime tells that another process of the run ended, or cannot be reached any more."""
    if jax.process_count() == 1 or not isinstance(error, jax.errors.JaxRuntimeError):
        return False
    return not any(word in str(error) for word in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))


def how_to_go_on(error: Exception | str, folder: Path) -> str:
    """What to tell when another process is lost, as `error` says."""
    saved = [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]
    since = f"goes on from step {max(saved)}" if saved else "starts anew, since nothing was saved yet"
    return (
        f"process {jax.process_index()} has lost another one of the {jax.process_count()} ({str(error)[:300]}): see "
        f"why that one ended; the same command in all processes {since}"
    )


def leave(line: str, code: int) -> NoReturn:
    """Prints a line and ends this process without waiting for the others, as JAX would at its end."""
    print(line, file=sys.stderr, flush=True)
    sys.stdout.flush()
    if is_primary():
        time.sleep(_GRACE)
    os._exit(code)
