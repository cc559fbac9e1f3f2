"""Runs beside each other: each on its own share of the CPU's cores, so that none takes another's time."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

# Where Linux shows an NVIDIA GPU, an AMD one, and TPUs.
_ACCELERATORS = ("/dev/nvidia0", "/dev/kfd", "/dev/accel0", "/dev/vfio/0")


def shares(wanted: int) -> tuple[list[set[int] | None], str]:
    """The cores of each run at a time (None: all there are), and why it is fewer than `wanted` at a time, or "".

    One run takes an accelerator's memory whole, so beside each other they are on CPUs only.
    """
    if wanted == 1:
        return [None], ""
    if not hasattr(os, "sched_setaffinity"):
        return [None], "this system cannot give a process its own cores"
    present = [path for path in _ACCELERATORS if Path(path).exists()]
    if present and os.environ.get("JAX_PLATFORMS", "").lower() != "cpu":
        return [None], f"each run takes the accelerator ({present[0]}) whole; JAX_PLATFORMS=cpu leaves it alone"
    cores = sorted(os.sched_getaffinity(0))
    number = min(wanted, len(cores))
    ends = [len(cores) * i // number for i in range(number + 1)]
    parts = [set(cores[a:b]) for a, b in itertools.pairwise(ends)]
    why = f"{len(cores)} core{'s' * (len(cores) > 1)} of the CPU" if number < wanted else ""
    return (parts if number > 1 else [None]), why


@contextlib.contextmanager
def inherited(cores: set[int] | None) -> Iterator[None]:
    """Processes that are started within the block have these cores (None: as before)."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
