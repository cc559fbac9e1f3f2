"""Mixtures of Gaussians of full covariance, fitted by maximum likelihood: shared by `normal` and `gaussian_mixture`."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.errors import UserError
from jaxgen.evaluation.samplers.base import check_finite, noise
from jaxgen.metrics.extractors.statistics_file import Mismatch

log = logging.getLogger(__name__)
ITERATIONS = 500


class Mixture(NamedTuple):
    """A mixture of Gaussians over latents.

    weights: [K]. means: [K, Z]. factors: [K, Z, Z], lower Cholesky factors of the covariances. facts: as for all.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    facts: Mapping[str, Any]

    def draw(self, key: jax.Array, ids: np.ndarray) -> np.ndarray:
        """As for all samplers (`base.LatentSampler`)."""
        uniform, normal = noise(key, np.asarray(ids, np.int32), self.means.shape[1])
        edges = np.cumsum(self.weights)
        chosen = np.minimum(np.searchsorted(edges, np.asarray(uniform) * edges[-1], side="right"), len(edges) - 1)
        offsets = np.einsum("nij,nj->ni", self.factors[chosen], np.asarray(normal, np.float64))
        return (self.means[chosen] + offsets).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """As for all samplers."""
        return {"weights": self.weights, "means": self.means, "factors": self.factors}


def fit_gaussians(name: str, latents: np.ndarray, components: int, seed: int, facts: Mapping[str, Any]) -> Mixture:
    """A mixture by EM from k-means. One component is the normal distribution of the latents' mean and covariance.

    Raises:
      UserError: fewer latents than components.
    """
    # Imported here: it takes a second, which only runs with fitted samplers need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if len(latents) < max(components, 2):
        raise UserError(
            f"latent sampler {name!r}: {len(latents)} training images are too few for {components} component(s). "
            "Raise config.evaluation.sampler_images or lower config.evaluation.mixture_components"
        )
    mixture = GaussianMixture(components, covariance_type="full", max_iter=ITERATIONS, random_state=seed)
    # One thread: EM's products are small, and on busy cores more threads wait for each other by spinning.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the log and the records say so
        mixture.fit(np.asarray(latents, np.float64))
    if not mixture.converged_:
        log.warning("latent sampler %r: EM has not converged in %d iterations", name, ITERATIONS)
    fitted = {**facts, "components": components, "converged": bool(mixture.converged_)}
    return Mixture(mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_), fitted)


def restore(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Mixture:
    """The mixture from the arrays of a file.

    Raises:
      Mismatch: arrays that make no mixture.
    """
    parts = {name: np.asarray(arrays[name], np.float64) for name in ("weights", "means", "factors")}
    components, size = parts["means"].shape
    if parts["weights"].shape != (components,) or parts["factors"].shape != (components, size, size):
        raise Mismatch("damaged (shapes)")
    check_finite(parts)
    return Mixture(**parts, facts=facts)
