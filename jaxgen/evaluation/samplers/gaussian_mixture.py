"""A mixture of Gaussians of full covariance, by EM from k-means (Ghosh et al. 2020, section 4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgen.evaluation.samplers import mixture
from jaxgen.evaluation.samplers.mixture import restore  # noqa: F401


def facts(settings) -> dict:
    """The settings that change the fit."""
    return {"components": settings.mixture_components}


def fit(latents: np.ndarray, settings, seed: int, facts: Mapping[str, Any]) -> mixture.Mixture:
    """The mixture of `mixture_components` Gaussians.

    Raises:
      UserError: fewer latents than components.
    """
    return mixture.fit_gaussians("gaussian_mixture", latents, settings.mixture_components, seed, facts)
