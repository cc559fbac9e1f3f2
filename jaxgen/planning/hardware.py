"""Hardware to plan for, and the least time of a step there: the roofline (Williams et al. 2009).

Slices of TPUs are compiled for by libtpu, without a TPU. GPUs are estimated.
"""

import importlib.util
import os
import re
from typing import NamedTuple

import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.settings.lookup import unknown
from jaxgen.training.operations import StepCost

GIB = 2**30
# Of one hop between neighbouring chips: what a collective costs however small it is.
_HOP_SECONDS = 1e-6


class Chip(NamedTuple):
    """The makers' figures of one chip.

    teraflops: speed of products in bfloat16. XLA's default on TPUs computes float32 products in bfloat16 too.
    teraflops_float32: speed of products of float32 numbers by XLA's default (TF32 on GPUs).
    memory_gib: memory of the chip. gigabytes_per_second: its bandwidth.
    link_gigabytes_per_second: bandwidth of all its links to other chips, one way.
    """

    teraflops: float
    teraflops_float32: float
    memory_gib: float
    gigabytes_per_second: float
    link_gigabytes_per_second: float


# Google Cloud's pages "TPU v4", "TPU v5e", "TPU v5p", "TPU v6e": interconnects are told for both ways together.
_TPUS = {
    "v4": Chip(275, 275, 32, 1228, 150),
    "v5e": Chip(197, 197, 16, 819, 100),
    "v5p": Chip(459, 459, 95, 2765, 300),
    "v6e": Chip(918, 918, 32, 1640, 224),
}
# NVIDIA's data sheets of the SXM forms, without sparsity; NVLink is told for both ways together.
_GPUS = {
    "a100-40gb": Chip(312, 156, 40 * 1e9 / GIB, 1555, 300),
    "a100-80gb": Chip(312, 156, 80 * 1e9 / GIB, 2039, 300),
    "h100": Chip(989, 495, 80 * 1e9 / GIB, 3350, 450),
    "h200": Chip(989, 495, 141 * 1e9 / GIB, 4800, 450),
}
# It would ask Google's metadata server, complains if it is told nothing of hosts, and lets one process at a time use
# the TPUs that are not here.
_LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",  # of a machine; what is compiled for is the topology's
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


class Hardware(NamedTuple):
    """name: as in the flag. mesh: TPUs to compile for, None for GPUs. hops: between the most distant chips."""

    name: str
    chip: Chip
    count: int
    mesh: Mesh | None
    hops: int


def open_hardware(topology: str) -> Hardware:
    """The hardware of `--topology`: v5e:2x4 (a TPU slice) or h100:8 (GPUs of one machine).

    Raises:
      UserError: not of that form, no such chip, libtpu is missing, or there is no such slice.
    """
    for key, value in _LIBTPU.items():  # for GPUs too: where libtpu is installed it speaks up as soon as JAX is used
        os.environ.setdefault(key, value)
    name, _, size = topology.partition(":")
    if name in _GPUS:
        if not re.fullmatch(r"[1-9][0-9]*", size):
            raise UserError(f"--topology={topology!r}: a number of GPUs must follow, such as {name}:8")
        return Hardware(topology, _GPUS[name], int(size), None, 1)
    if name not in _TPUS:
        raise UserError(unknown("--topology", name, [*_TPUS, *_GPUS]) + ", such as v5e:2x4 or h100:8")
    if not re.fullmatch(r"[1-9][0-9]*(x[1-9][0-9]*){1,2}", size):
        raise UserError(f"--topology={topology!r}: the sides of the slice must follow, such as v5e:2x4 or v5p:2x2x1")
    sides = [int(side) for side in size.split("x")]
    mesh = parallel.mesh_of_others(_devices(topology, sides))
    return Hardware(topology, _TPUS[name], mesh.size, mesh, sum(side // 2 for side in sides))


def _devices(topology: str, sides: list[int]):
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(f"--topology={topology}: compiling for TPUs needs libtpu: pip install 'jaxgen[plan]'")
    # A slice smaller than a host's chips must say so.
    small = {} if np.prod(sides) >= 4 else {"chips_per_host_bounds": (*sides, 1)[:3]}
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=topology, **small).devices
    except Exception as error:  # libtpu's own, of several types
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"--topology={topology!r}: libtpu has no such slice ({reason})") from None


class Roofline(NamedTuple):
    """Seconds of a step: products, memory traffic, collectives, and derived numbers.

    step: the longer of products and traffic, which overlap, plus the collectives, which do not.
    limit: the slowest part.
    peak_fraction: the step's products, divided by the most products that the chips could compute in that time.
    """

    products: float
    memory: float
    collectives: float
    step: float
    limit: str
    peak_fraction: float


def roofline(
    hardware: Hardware, cost: StepCost, bytes_accessed: float, num_collectives: float, *, bfloat16: bool = True
) -> Roofline:
    """The bound for one step.

    Args:
      hardware: the slice.
      cost: of a step on one device, on average.
      bytes_accessed: of a step on one device, on average.
      num_collectives: collectives in a step.
      bfloat16: whether products are of bfloat16 numbers.
    """
    chip, count = hardware.chip, hardware.count
    teraflops = chip.teraflops if bfloat16 else chip.teraflops_float32
    products = cost.operations / (teraflops * 1e12)
    memory = bytes_accessed / (chip.gigabytes_per_second * 1e9)
    collectives = 0.0
    if count > 1:
        # A device keeps its own share and sends the others'; an all-reduce does so twice (reduce-scatter, all-gather).
        travelled = (count - 1) / count * (cost.collective_bytes + cost.reduced_bytes)
        latency = 2 * max(hardware.hops, 1) * _HOP_SECONDS * num_collectives
        collectives = travelled / (chip.link_gigabytes_per_second * 1e9) + latency
    step = max(products, memory) + collectives
    kinds = {"products": products, "memory traffic": memory, "collectives": collectives}
    return Roofline(products, memory, collectives, step, max(kinds, key=kinds.get), products / step if step else 0.0)
