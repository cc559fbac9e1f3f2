"""One Gaussian of full covariance (Ghosh et al. 2020, section 4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgen.evaluation.samplers import mixture
from jaxgen.evaluation.samplers.mixture import restore  # noqa: F401


def facts(settings) -> dict:
    """Nothing changes the fit."""
    del settings
    return {}


def fit(latents: np.ndarray, settings, seed: int, facts: Mapping[str, Any]) -> mixture.Mixture:
    """The normal distribution with the mean and covariance of the latents [N, Z]."""
    del settings
    return mixture.fit_gaussians("normal", latents, 1, seed, facts)
