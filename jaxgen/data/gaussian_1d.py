"""One Gaussian on the line: the data of Figure 1 of Goodfellow et al. 2014."""

import numpy as np

from jaxgen.data.base import Dataset
from jaxgen.data.mixture import mixture

MEAN, STD = 1.0, 0.5
VECTORS = True


def load(config) -> Dataset:
    """Points float32 [N, 1] from N(1, 0.5^2). The figure's parameters are unknown. These lie away from the start, 0."""
    return mixture(config, "gaussian_1d", np.array([[MEAN]]), STD)
