"""Several processes of one run: who writes, and how they agree."""

import json

import jax
import numpy as np
from jax.experimental import multihost_utils


def start_processes(coordinator_address: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process to the others of a run; cluster managers that JAX knows need no arguments."""
    jax.distributed.initialize(coordinator_address, num_processes, process_id)


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
