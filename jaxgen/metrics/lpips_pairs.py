"""What `lpips_alex` and `lpips_vgg` have in common: the mean distance of pairs under a network of LPIPS."""

import numpy as np

from jaxgen.metrics.base import OutputBatch
from jaxgen.metrics.collected import Collected, mean_and_deviation
from jaxgen.metrics.extractors.lpips import Lpips, as_network_input


def mean_distance(network: Lpips) -> Collected:
    """An accumulator of the mean distance over pairs. Its record names the network."""

    def distances(batch: OutputBatch) -> np.ndarray:
        a, b = (as_network_input(images) for images in (batch.real, batch.fake))
        return batch.host(network.distance(a, b))

    def finish(values: np.ndarray) -> dict:
        return {**mean_and_deviation(values), "network": network.name}

    return Collected(distances, finish)
