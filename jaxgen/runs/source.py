"""How sources of images are read, and what an opened one holds."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxgen.evaluation.engine import Real


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


class Source(NamedTuple):
    """real: the images with all that is known of them. views: of a run, what its model offers. facts: by view."""

    real: Real
    views: Mapping[str, Callable] | None = None
    facts: Mapping[str, dict] | None = None
