"""Distributions of latents, fitted after training to the encoder's latents of the training images.

A VAE's aggregate posterior differs from its prior. A density fitted to the posterior gives latents that decode to
better samples (ex-post density estimation, Ghosh et al. 2020, section 4, Tolstikhin et al. 2018).
"""

import inspect
import json
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Split
from jaxgen.errors import UserError
from jaxgen.evaluation.samplers.base import LatentSampler, noise
from jaxgen.metrics.extractors.statistics_file import Mismatch, arrays_of, write_arrays
from jaxgen.metrics.streaming import ALONE, ExampleStream, Workers
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
PRIOR = "prior"
FITTED = tuple(lookup.choices("evaluation.samplers"))


class EncodingViews(Protocol):
    """Compiled views of a recipe with an encoder."""

    def encode(self, players: Mapping, images: np.ndarray) -> tuple[jax.Array, jax.Array]: ...


class EncodingRun(Protocol):
    """The parts of a `jaxgen.runs.session.Session` that the fit of a sampler needs."""

    config: ConfigDict
    train: Split
    views: EncodingViews


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


def fit(name: str, latents: np.ndarray, settings: ConfigDict, seed: int, facts: Mapping[str, Any]) -> LatentSampler:
    """The sampler `name`, fitted to latents [N, Z]. settings: `config.evaluation`.

    Raises:
      UserError: latents that it cannot be fitted to.
    """
    return _module(name).fit(latents, settings, seed, facts)


def _module(name: str) -> ModuleType:
    return lookup.module("evaluation.samplers", name, "config.evaluation.latent_samplers")


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
        _, normal = noise(key, ids, mean.shape[1])
        draws.append(stream.gather(mean + np.exp(0.5 * log_variance) * np.asarray(normal), count))
    return np.concatenate(draws)


def _needs_classes(encode) -> bool:
    parameter = inspect.signature(encode).parameters.get("image_labels")
    return parameter is not None and parameter.default is parameter.empty


def load(path: Path, facts: Mapping[str, Any]) -> LatentSampler | None:
    """The sampler in `path`, NAME.npz, if it has these facts (training step, images, seed, ...), else None."""
    try:
        with arrays_of(path) as arrays:
            known = json.loads(str(arrays["facts"]))
            sampler = _module(path.stem).restore(arrays, known)
            of_these = all(known.get(key) == value for key, value in facts.items())
    except FileNotFoundError:
        return None
    except (Mismatch, OSError) as error:
        log.warning("%s cannot be read and is fitted again: %s", path, error)
        return None
    return sampler if of_these else None


def save(sampler: LatentSampler, path: Path) -> None:
    """Writes the parameters, whole or not at all. An unwritable folder gives a warning and no error."""
    try:
        write_arrays(path, **sampler.arrays(), facts=np.array(json.dumps(dict(sampler.facts))))
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
        facts |= _module(name).facts(settings)
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
            samplers[name] = workers.tell(fit(name, latents, settings, settings.seed, facts))
            if workers.index == 0:
                save(samplers[name], path)
    return samplers
