"""The experiments whose training steps are timed and planned, and their inputs: random images."""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Split
from jaxgen.devices import parallel
from jaxgen.planning import subject
from jaxgen.planning.subject import Subject
from jaxgen.settings.experiments import experiment

PRECISIONS = ("TF32", "bfloat16", "float32")
# As `jax_default_matmul_precision`. bfloat16 is a setting of the config.
MATMUL = {"TF32": "tensorfloat32", "bfloat16": None, "float32": "highest"}


class Experiment(NamedTuple):
    """name: in configs/. side, channels: of the images. seconds: that its row may take, with compiling.

    smaller: keys of `config.model` for a rehearsal, or None to leave it out there.
    """

    name: str
    side: int
    channels: int
    seconds: float
    smaller: dict[str, int] | None


_NARROW = {"width": 8, "latent_dim": 8}
_STYLEGAN2 = {"channel_base": 64, "channel_max": 8, "latent_dim": 8, "stddev_group": 4}
# By worth: the largest network takes longest to compile.
EXPERIMENTS = (
    Experiment("dcgan_cifar", 32, 3, 20.0, _NARROW),
    Experiment("stylegan2_cifar", 32, 3, 50.0, _STYLEGAN2),
    Experiment("sngan_cifar", 32, 3, 30.0, None),
    Experiment("vae_cifar", 32, 3, 20.0, _NARROW),
    Experiment("iwae_mnist", 28, 1, 15.0, _NARROW),
    Experiment("stylegan2_256", 256, 3, 80.0, None),
)


def experiments(tiny: bool) -> list[Experiment]:
    """All experiments, or those of a rehearsal."""
    return [chosen for chosen in EXPERIMENTS if not tiny or chosen.smaller is not None]


def config_of(chosen: Experiment, precision: str, tiny: bool) -> ConfigDict:
    """The experiment's config, in this precision. tiny: narrow networks and small batches."""
    config = experiment(chosen.name)
    config.num_devices = 1
    config.compute_dtype = "bfloat16" if precision == "bfloat16" else "float32"
    if tiny:
        config.batch_size = 8
        config.model.update(chosen.smaller)
    return config


def random_images(chosen: Experiment, tiny: bool) -> np.ndarray:
    """uint8 [N, side, side, channels]."""
    side = chosen.side
    count = 64 if tiny else 4096 if side <= 32 else 512
    return np.random.default_rng(0).integers(0, 256, (count, side, side, chosen.channels), dtype=np.uint8)


def build(config: ConfigDict, images: np.ndarray) -> Subject:
    """Recipe, batching and shapes of a config on these images, for one device."""
    examples = subject.Examples(Split(images, None), 0)
    return subject.build(config, examples, config.batch_size, parallel.make_mesh(1))
