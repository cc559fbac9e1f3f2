"""Batches as `jaxgen.ops.random.example_ids` spreads them: device d of D has examples d, D + d, 2D + d, ..."""

import numpy as np


def spread(x, devices: int):
    """Rows [B, ...] in the order of the batch, as rows laid device after device."""
    return x[np.arange(len(x)).reshape(-1, devices).T.ravel()]


def gathered(x, devices: int):
    """The inverse of `spread`."""
    return x[np.arange(len(x)).reshape(devices, -1).T.ravel()]
