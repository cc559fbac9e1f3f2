"""Twenty-five Gaussians on a 5x5 grid in the plane (Dumoulin et al. 2017, Srivastava et al. 2017, Lin et al. 2018)."""

import itertools

import numpy as np

from jaxgen.data.base import Dataset
from jaxgen.data.mixture import mixture

VECTORS = True

SIDE, SPACING, STD = 5, 2.0, 0.05


def load(config) -> Dataset:
    """Points float32 [N, 2] around the 25 centres of {-4, -2, 0, 2, 4}^2, with standard deviation 0.05."""
    places = SPACING * (np.arange(SIDE) - (SIDE - 1) / 2)
    return mixture(config, "gaussian_grid", np.array(list(itertools.product(places, repeat=2))), STD)
