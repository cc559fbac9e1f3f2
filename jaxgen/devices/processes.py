"""Several processes of one run: the writing process, and agreement between processes."""

import os
import pickle
import re
import socket
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax._src import distributed
from jax._src.clusters import SlurmCluster
from jax.experimental import multihost_utils

from jaxgen.errors import UserError

PyTree = Any
Shared = TypeVar("Shared")
# Seconds in which the others may see by themselves what ends them all; without the primary process JAX aborts them.
_GRACE = 2.0
# JAX reads it in place of the port that it makes of a SLURM job's number.
_PORT = "JAX_COORDINATOR_PORT"
_MEET_WITHIN_MS = 24 * 3600 * 1000


def start_processes(coordinator_address: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process to the others of a run.

    Args:
      coordinator_address: host:port of process 0. None asks the cluster, as for the other arguments.
      num_processes: number of all processes.
      process_id: number of this process, from 0.

    Raises:
      UserError: a value is wrong or missing, and no cluster gives it, or process 0 cannot listen at its port.
    """
    _check_flags(coordinator_address, num_processes, process_id)
    given = {"coordinator_address": coordinator_address, "num_processes": num_processes, "process_id": process_id}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if not missing and process_id == 0:
        _check_port(coordinator_address, f"--coordinator_address={coordinator_address}", "choose another")
    if len(missing) == len(given) and SlurmCluster.is_env_present() and SlurmCluster.get_process_id() == 0:
        address = SlurmCluster.get_coordinator_address(None, os.environ.get(_PORT))
        _check_port(
            address, f"--distributed on SLURM, {address}", f"export {_PORT}=PORT before the job to choose another"
        )
    jax.config.update("jax_enable_preemption_service", True)
    try:
        with warnings.catch_warnings():
            # JAX looks for clusters even where the flags say everything, and in every pod asks for a package.
            warnings.filterwarnings("ignore", message="Kubernetes environment detected")
            jax.distributed.initialize(**given)
    except ValueError as error:
        if not missing:
            raise
        raise UserError(
            f"--distributed: no cluster gives {', '.join(missing)} ({error}). JAX asks SLURM (in tasks that srun "
            "starts), Open MPI and TPU slices. Elsewhere pass these flags, or leave out --distributed to train in this "
            "process alone"
        ) from error


def _check_flags(address: str | None, num_processes: int | None, process_id: int | None) -> None:
    match = re.fullmatch(r"(?:\[[^\]]+\]|[^:\[\]\s]+):(\d+)", address or "")
    if address is not None and not (match and 0 < int(match[1]) < 2**16):
        raise UserError(
            f"--coordinator_address={address}: not host:port, such as 10.0.0.1:8476, or [fd00::1]:8476 for IPv6"
        )
    if num_processes is not None and num_processes < 1:
        raise UserError(f"--num_processes={num_processes}: at least 1, the number of all processes")
    if process_id is not None and process_id < 0:
        raise UserError(f"--process_id={process_id}: at least 0, the number of this process")
    if None not in (num_processes, process_id) and process_id >= num_processes:
        raise UserError(
            f"--process_id={process_id} with --num_processes={num_processes}: the numbers go from 0 to "
            f"{num_processes - 1}"
        )


def _check_port(address: str, setting: str, mend: str) -> None:
    """Listens at the coordinator's port for a moment: JAX's runtime may crash where it is taken."""
    try:
        listener(int(address.rpartition(":")[2])).close()
    except OSError as error:
        raise UserError(f"{setting}: process 0 cannot listen at this port ({error.strerror}): {mend}") from error


def listener(port: int = 0) -> socket.socket:
    """A server at a port (0: any free port), for IPv6 and IPv4 if possible."""
    both = socket.has_dualstack_ipv6()
    return socket.create_server(("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both)


def are_several() -> bool:
    """Whether the run has several processes."""
    return jax.process_count() > 1


def index() -> int:
    """The number of this process, from 0."""
    return jax.process_index()


def is_primary() -> bool:
    """Whether this process writes the logs and pictures."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Waits until every process has arrived."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def meet(name: str) -> None:
    """Waits until every process has arrived, once for each name, however long the slowest process takes.

    It is needed before the first run of a program. On CPUs, collectives wait at most 30 s for a compiling process.
    """
    if jax.process_count() > 1:
        distributed.global_state.client.wait_at_barrier(f"jaxgen_{name}", _MEET_WITHIN_MS)


def anywhere(flag: bool) -> bool:
    """Whether `flag` is true in any process, so that all processes decide alike."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def reached_notice(step: int) -> bool:
    """Whether all processes must save and end here, since one of them received SIGTERM.

    JAX's preemption service listens to SIGTERM and checks for it once a second. The processes then agree on a number
    after the highest number that any process has asked about. Until then, asking costs nothing.

    Args:
      step: consecutive numbers, in every process, at the same places of the program. In training it is the step, since
        orbax asks too when it saves, and all callers share one count.
    """
    return multihost_utils.reached_preemption_sync_point(step)


def share(value: Shared) -> Shared:
    """The primary process's value, in every process. The values of other processes are ignored."""
    if jax.process_count() == 1:
        return value
    data = np.frombuffer(pickle.dumps(value) if is_primary() else b"", np.uint8)
    # All must know the length before; powers of two, since each length is a program to compile.
    bits = int(multihost_utils.broadcast_one_to_all(np.int32(len(data).bit_length())))
    buffer = np.zeros(1 << bits, np.uint8)
    buffer[: len(data)] = data
    return pickle.loads(multihost_utils.broadcast_one_to_all(buffer).tobytes())


def gather(rows: np.ndarray) -> np.ndarray:
    """Rows [n, ...] of every process, concatenated in order to [processes * n, ...], in every process."""
    rows = np.ascontiguousarray(rows)
    if jax.process_count() == 1:
        return rows
    # As bytes, for JAX would make float32 of float64.
    data = multihost_utils.process_allgather(rows.reshape(len(rows), -1).view(np.uint8))
    return np.ascontiguousarray(data).view(rows.dtype).reshape(-1, *rows.shape[1:])


def whole(state: PyTree) -> PyTree:
    """A pytree of device arrays as host arrays of this process. All processes must call it at the same time."""
    if jax.process_count() == 1:
        return state

    def here(leaf):
        if leaf.is_fully_replicated:
            return leaf.addressable_data(0)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(here, state)


def together(action: Callable[[], Shared]) -> Shared:
    """The result of `action`, which the primary process alone runs. If it refuses, all processes refuse.

    Raises:
      UserError: the action refused. Without it, the others would wait for a lost process.
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
    """Whether a runtime error means that another process of the run ended or cannot be reached."""
    if jax.process_count() == 1 or not isinstance(error, jax.errors.JaxRuntimeError):
        return False
    return not any(word in str(error) for word in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))


def how_to_go_on(error: Exception | str, folder: Path) -> str:
    """The message about another lost process, from `error`."""
    saved = [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]
    since = f"goes on from step {max(saved)}" if saved else "starts anew, since nothing was saved yet"
    return (
        f"process {jax.process_index()} lost another of the {jax.process_count()} processes ({str(error)[:300]}). "
        f"Find out why that process ended. The same command in all processes {since}"
    )


def leave(line: str, code: int) -> NoReturn:
    """Prints a line and ends this process. It does not wait for the others, as JAX would at its end."""
    print(line, file=sys.stderr, flush=True)
    sys.stdout.flush()
    if is_primary():
        time.sleep(_GRACE)
    os._exit(code)
