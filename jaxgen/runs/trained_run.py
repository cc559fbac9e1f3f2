"""A finished run as a source of images: samples drawn as they are asked for, and whatever else its model offers."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.metrics.image_set import ImageSource
from jaxgen.runs import restoring, run_views, session
from jaxgen.settings import run_config
from jaxgen.training import lanes


class Options(NamedTuple):
    """How sources are read.

    channels: 0 as they come. samples: drawn from a run, batch_size at a time on num_devices (0: all), from latents of
    latent_sampler (prior, normal, gaussian_mixture).
    """

    channels: int = 0
    data_dir: str = ""
    cache_dir: str = ""
    samples: int = 10_000
    batch_size: int = 100
    num_devices: int = 0
    seed: int = 0
    checkpoint: str = "latest"
    latent_sampler: str = "prior"


class Samples:
    """The first `count` samples of a run, generated when indexed; the same number, the same image.

    Args:
      sample: ids int32 [n] -> images uint8 [n, H, W, C] or points float32 [n, D], for any n.
      batch_size: images generated at a time, so that one compiled program does for all.
    """

    def __init__(self, sample: Callable, count: int, batch_size: int):
        self._sample, self._batch_size = sample, batch_size
        first = np.asarray(sample(np.zeros(batch_size, np.int32)))
        self.shape, self.dtype = (count, *first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, ids) -> np.ndarray:
        ids = np.arange(len(self), dtype=np.int32)[ids]
        padded = np.concatenate([ids, np.repeat(ids[-1:], -len(ids) % self._batch_size)])
        parts = padded.reshape(-1, self._batch_size)
        images = [np.asarray(self._sample(part)) for part in parts]
        return np.concatenate(images)[: len(ids)] if images else np.zeros((0, *self.shape[1:]), self.dtype)


def open_run(folder: Path, options: Options, flag: str) -> ImageSource:
    """The run in `folder`, its checkpoint restored.

    Raises:
      UserError: no run, no checkpoint, or one that cannot be restored.
    """
    try:
        config = run_config.read(folder).unlock()
    except UserError as error:
        raise UserError(f"{flag}=run:{folder}: {error}") from None
    if config.num_seeds > 1:
        first = lanes.folder_of(folder, config.seed)
        raise UserError(f"{flag}=run:{folder} holds {config.num_seeds} seeds: name one of them, such as run:{first}")
    if options.data_dir:
        config.data.dir = options.data_dir
    # Not of the training: what evaluation has, so that images and networks lie on the same devices.
    config.num_devices, config.batch_size, config.grad_accum_steps = options.num_devices, options.batch_size, 1
    with config.unlocked():
        config.evaluation.update({"metrics": (), "latent_samplers": (), "seed": options.seed})
        config.sample.latent_sampler = latent_samplers.PRIOR
    config.best_metric = ""
    opened = session.open_session(config, needs_images=False)
    state, step = restoring.restore(opened, folder, options.checkpoint)
    name = options.latent_sampler
    latent_samplers.check((name,), opened.views.names, f"--latent_sampler for {flag}=run:{folder}")
    samplers = latent_samplers.fitted(opened, state.players, step, folder, (name,))
    views = run_views.bound_views(opened, state.players, samplers)
    prior = next((views[view] for view in ("sample", "points") if view in views), None)
    if prior is None:
        raise UserError(f"{flag}=run:{folder}: its recipe {config.recipe.name!r} offers no samples")
    if samplers:
        del views["sample"]  # only what was asked for is measured, under a name that says so
    images = Samples(views.get(f"sample_{name}", prior), options.samples, options.batch_size)
    split = f"run:{folder} step {step}{f', {name} latents' if samplers else ''}"
    return ImageSource(images, split=split, views=views, facts=run_views.facts_of(opened, samplers))
