"""Several processes of one run: who writes, and how they agree."""

import json
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

# Seconds in which the others may see by themselves what ends them all; without the primary process JAX aborts them.
_GRACE = 2.0


def start_processes(coordinator_address: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process to the others of a run; cluster managers that JAX knows need no arguments."""
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


def share(values: dict[str, float]) -> dict[str, float]:
    """The primary process's numbers, in every process; the others pass any dict."""
    if jax.process_count() == 1:
        return values
    # Names differ in length from run to run: a fixed-size byte buffer carries them.
    buffer = np.zeros(4096, np.uint8)
    if is_primary():
        data = np.frombuffer(json.dumps(values).encode(), np.uint8)
        buffer[: len(data)] = data
    shared = multihost_utils.broadcast_one_to_all(buffer)
    return json.loads(bytes(shared).rstrip(b"\0").decode())


def has_lost_another(error: Exception) -> bool:
    """Whether an error of the runtime tells that another process of the run ended, or cannot be reached any more."""
    if jax.process_count() == 1 or not isinstance(error, jax.errors.JaxRuntimeError):
        return False
    return not any(word in str(error) for word in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))


def how_to_go_on(error: Exception, folder: Path) -> str:
    """What to tell after `has_lost_another`."""
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
