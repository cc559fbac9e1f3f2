"""Distributions of latents, fitted after training to the encoder's latents of the training images.

A VAE's aggregate posterior differs from its prior. A density fitted to the posterior gives latents that decode to
better samples (ex-post density estimation, Ghosh et al. 2020, section 4, Tolstikhin et al. 2018).
"""

import inspect
import json
import logging
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Split
from jaxgen.errors import UserError
from jaxgen.metrics.extractors.statistics_file import Mismatch, arrays_of, write_arrays
from jaxgen.metrics.streaming import ALONE, ExampleStream, Workers
from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
PRIOR = "prior"
# Components; 0: as many as `config.evaluation.mixture_components` says.
FITTED = {"normal": 1, "gaussian_mixture": 0}
_ITERATIONS = 500


class EncodingViews(Protocol):
    """Compiled views of a recipe with an encoder."""

    def encode(self, players: Mapping, images: np.ndarray) -> tuple[jax.Array, jax.Array]: ...


class EncodingRun(Protocol):
    """The parts of a `jaxgen.runs.session.Session` that the fit of a sampler needs."""

    config: ConfigDict
    train: Split
    views: EncodingViews


class LatentSampler(NamedTuple):
    """A mixture of Gaussians over latents.

    weights: [K]. means: [K, Z]. factors: [K, Z, Z], lower Cholesky factors of the covariances.
    facts: the source of the fit. They go into the records of metrics of its samples.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    facts: Mapping[str, Any]

    def draw(self, key: jax.Array, ids: np.ndarray) -> np.ndarray:
        """Latents with the numbers `ids` of the key, float32 [n, Z]. The same number gives the same latent."""
        uniform, normal = _noise(key, np.asarray(ids, np.int32), self.means.shape[1])
        edges = np.cumsum(self.weights)
        chosen = np.minimum(np.searchsorted(edges, np.asarray(uniform) * edges[-1], side="right"), len(edges) - 1)
        offsets = np.einsum("nij,nj->ni", self.factors[chosen], np.asarray(normal, np.float64))
        return (self.means[chosen] + offsets).astype(np.float32)


@partial(jax.jit, static_argnums=2)
def _noise(key, ids, dimensions: int):
    keys = jax.random.split(key)
    return example_uniform(keys[0], ids, ()), example_normal(keys[1], ids, (dimensions,))


def check(names, views, where: str) -> None:
    """Refuses unknown samplers, and any fitted sampler for a recipe without an encoder.

    Args:
      names: names of samplers, with or without `PRIOR`.
      views: names of the recipe's views.
      where: the key or flag, for the error line.

    Raises:
      UserError: an unknown sampler, or a recipe without an encoder.
    """
    for name in names:
        if name != PRIOR and name not in FITTED:
            raise UserError(lookup.unknown(where, name, [PRIOR, *FITTED]))
        if name != PRIOR and not {"encode", "decode"} <= set(views):
            raise UserError(
                f"{where}: {name!r} is fitted to an encoder's latents, so it needs a recipe with the views encode and "
                f"decode. This recipe offers {', '.join(sorted(views))}: only 'prior' is possible"
            )


def check_config(config, views) -> None:
    """`check` for the samplers of a config."""
    check(config.evaluation.latent_samplers, views, "config.evaluation.latent_samplers")
    check((config.sample.latent_sampler,), views, "config.sample.latent_sampler")


def fit(name: str, latents: np.ndarray, components: int, seed: int, facts: Mapping[str, Any]) -> LatentSampler:
    """Maximum-likelihood Gaussians of full covariance: one ("normal"), or a mixture by EM from k-means.

    Args:
      name: a name in `FITTED`.
      latents: [N, Z].
      components: components of the mixture.

    Raises:
      UserError: fewer latents than components.
    """
    # Imported here: it takes a second, which only runs with fitted samplers need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    components = FITTED[name] or components
    if len(latents) < max(components, 2):
        raise UserError(
            f"latent sampler {name!r}: {len(latents)} training images are too few for {components} component(s). "
            "Raise config.evaluation.sampler_images or lower config.evaluation.mixture_components"
        )
    mixture = GaussianMixture(components, covariance_type="full", max_iter=_ITERATIONS, random_state=seed)
    # One thread: EM's products are small, and on busy cores more threads wait for each other by spinning.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the log and the records say so
        mixture.fit(np.asarray(latents, np.float64))
    if not mixture.converged_:
        log.warning("latent sampler %r: EM has not converged in %d iterations", name, _ITERATIONS)
    fitted = {**facts, "components": components, "converged": bool(mixture.converged_)}
    return LatentSampler(mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_), fitted)


def posterior_draws(
    encode, images, key: jax.Array, batch_size: int, workers: Workers = ALONE, labels: np.ndarray | None = None
) -> np.ndarray:
    """One draw from the posterior of each image: draws of the aggregate posterior, float32 [N, Z].

    Args:
      encode: uint8 [n, H, W, C] -> mean, log-variance [n, Z]. With `labels`, it takes `image_labels` too.
      images: uint8 [N, H, W, C], an array or images that stream from disk.
      workers: the processes that share the work. All get all draws.
      labels: int32 [N], the classes of the images, for an encoder that needs them.
    """
    draws, stream = [], ExampleStream(batch_size, workers=workers)
    for ids, count in stream(len(images), "latents"):
        of_class = {} if labels is None else {"image_labels": labels[ids]}
        mean, log_variance = (np.asarray(part) for part in encode(images[ids], **of_class))
        _, noise = _noise(key, ids, mean.shape[1])
        draws.append(stream.gather(mean + np.exp(0.5 * log_variance) * np.asarray(noise), count))
    return np.concatenate(draws)


def _needs_classes(encode) -> bool:
    parameter = inspect.signature(encode).parameters.get("image_labels")
    return parameter is not None and parameter.default is parameter.empty


def load(path: Path, facts: Mapping[str, Any]) -> LatentSampler | None:
    """The sampler in `path` if it has these facts (training step, images, seed, ...), else None."""
    try:
        with arrays_of(path) as arrays:
            known = json.loads(str(arrays["facts"]))
            weights, means, factors = (np.asarray(arrays[name], np.float64) for name in ("weights", "means", "factors"))
            components, size = means.shape
            fitting = weights.shape == (components,) and factors.shape == (components, size, size)
            if not fitting or not all(np.isfinite(part).all() for part in (weights, means, factors)):
                raise Mismatch("damaged (shapes, or numbers that are not finite)")
            of_these = all(known.get(key) == value for key, value in facts.items())
    except FileNotFoundError:
        return None
    except (Mismatch, OSError) as error:
        log.warning("%s cannot be read and is fitted again: %s", path, error)
        return None
    return LatentSampler(weights, means, factors, known) if of_these else None


def save(sampler: LatentSampler, path: Path) -> None:
    """Writes the parameters, whole or not at all. An unwritable folder gives a warning and no error."""
    try:
        facts = np.array(json.dumps(dict(sampler.facts)))
        write_arrays(path, weights=sampler.weights, means=sampler.means, factors=sampler.factors, facts=facts)
    except OSError as error:
        log.warning("%s cannot be written, so that it will be fitted again: %s", path, error)


def fitted(
    opened: EncodingRun, players: Mapping, step: int, folder: Path, names: Iterable[str], workers: Workers = ALONE
) -> dict[str, LatentSampler]:
    """Samplers by name. Each comes from its file in the work directory, or is fitted to a trained state and kept there.

    Args:
      opened: the run. `config.evaluation` has the settings.
      players: its state at `step`. Another step or other settings need a new fit.
      folder: the work directory.
      names: names of samplers. The prior needs no fit and is left out.
      workers: the processes that share the work. The first process reads and writes the files.
    """
    config, settings = opened.config, opened.config.evaluation
    images = opened.train.images
    count = min(settings.sampler_images or len(images), len(images))
    samplers = {}
    for name in dict.fromkeys(names):
        if name == PRIOR:
            continue
        facts = {"latent_sampler": name, "step": step, "n_fitted": count, "seed": settings.seed}
        facts["fitted_to"] = f"{config.data.name}:{config.data.train_split}"
        if not FITTED[name]:
            facts["components"] = settings.mixture_components
        path = folder / "latent_samplers" / f"{name}.npz"
        samplers[name] = workers.tell(load(path, facts) if workers.index == 0 else None)
        if samplers[name] is None:
            log.info("fitting latent sampler %r to %d training images ...", name, count)
            key = jax.random.fold_in(jax.random.key(settings.seed), 5)
            labels = opened.train.labels if _needs_classes(opened.views.encode) else None
            latents = posterior_draws(
                partial(opened.views.encode, players), images[:count], key, settings.batch_size, workers, labels
            )
            # All fit, and are refused alike; the first one's sampler is that of all, to the last bit.
            samplers[name] = workers.tell(fit(name, latents, settings.mixture_components, settings.seed, facts))
            if workers.index == 0:
                save(samplers[name], path)
    return samplers
