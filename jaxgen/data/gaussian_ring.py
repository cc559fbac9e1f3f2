"""Eight Gaussians on a circle in the plane (Metz et al. 2017, section 3.1. Srivastava et al. 2017)."""

import numpy as np

from jaxgen.data.base import Dataset
from jaxgen.data.mixture import mixture

VECTORS = True

MODES, RADIUS, STD = 8, 2.0, 0.02


def load(config) -> Dataset:
    """Points float32 [N, 2] around 8 centres on the circle of radius 2, with standard deviation 0.02."""
    angle = 2 * np.pi * np.arange(MODES) / MODES
    return mixture(config, "gaussian_ring", RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1), STD)
