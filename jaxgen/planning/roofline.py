"""The roofline (Williams et al. 2009): how long a step takes at least, and what holds it up."""

from typing import NamedTuple

from jaxgen.planning.hardware import Hardware
from jaxgen.training.operations import StepCost

# Of one hop between neighbouring chips: what a collective costs however small it is.
_HOP_SECONDS = 1e-6


class Roofline(NamedTuple):
    """Seconds of a step: of products, of memory traffic, of collectives; and what follows.

    step: products and traffic overlap, collectives do not: whichever of the first two is longer, and the third.
    limit: what takes longest.
    peak_fraction: products by what the chips could do in that time.
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
