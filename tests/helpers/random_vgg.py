"""VGG16's first three blocks with few channels and random weights, in place of the network of `lpips_vgg`."""

from itertools import pairwise

import numpy as np

from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.metrics.extractors.lpips import Lpips

_CHANNELS = (3, 2, 2, 3, 3, 4, 4, 4)


def network() -> Lpips:
    """The network. Its layers are NumPy arrays."""
    rng = np.random.default_rng(1)
    layers = [
        {"kernel": rng.normal(size=(3, 3, a, b)).astype(np.float32), "bias": rng.normal(size=b).astype(np.float32)}
        for a, b in pairwise(_CHANNELS)
    ]
    return Lpips("random", {"layers": layers, "linear": []}, lpips_vgg.activations, 16)
