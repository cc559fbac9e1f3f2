"""The reference implementation's arrays for StyleGAN2, and networks of ours with the same weights."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.models import stylegan2
from jaxgen.models.stylegan2 import official
from jaxgen.settings import default

FOLDER = Path(__file__).parents[3] / "shared" / "golden"
NAMES = ("cifar_like", "config_f_like")
needs_golden = pytest.mark.skipif(
    not (FOLDER / "stylegan2_cifar_like.npz").exists(), reason="the reference implementation's arrays are not here"
)


class Golden(NamedTuple):
    """arrays: as stored (NCHW). config, model: the same networks. g, d: collections of their weights."""

    arrays: dict
    config: object
    model: stylegan2.StyleGAN2
    g: dict
    d: dict
    labels: jax.Array | None

    def images(self, name):
        """An array of images as [..., H, W, C]."""
        return jnp.asarray(np.moveaxis(self.arrays[name], -3, -1))


def load(name: str, dtype=np.float32) -> Golden:
    with np.load(FOLDER / f"stylegan2_{name}.npz") as file:
        arrays = {key: np.asarray(value, dtype) for key, value in file.items()}
    cifar = name == "cifar_like"
    config = default.get_config()
    config.batch_size = 8
    config.steps = 10
    config.model.update(
        {
            "name": "stylegan2",
            "latent_dim": 64,
            "architecture": "skip",
            "discriminator_architecture": "orig" if cifar else "resnet",
            "mapping_layers": 2 if cifar else 8,
            "channel_base": 1024,
            "channel_max": 64 if cifar else 32,
            "conv_clamp": 256.0 if cifar else 0.0,
            "stddev_group": 8 if cifar else 4,
            "conditional": not cifar,
        }
    )
    side = 32 if cifar else 64
    model = stylegan2.build(config.model, (side, side, 3), 3, jnp.float32)
    g, d = (
        official.from_official({key[2:]: value for key, value in arrays.items() if key.startswith(prefix)})
        for prefix in ("G.", "D.")
    )
    labels = None if cifar else jnp.asarray(arrays["inputs/labels"].argmax(1), jnp.int32)
    return Golden(arrays, config, model, g, d, labels)


def map_latents(golden: Golden, params, latents, labels):
    variables = {"params": params["mapping"], "w_avg": golden.g["w_avg"]["mapping"]}
    return golden.model.mapping.apply(variables, latents, labels)


def synthesize(golden: Golden, params, ws, noise="const", **changes):
    network = golden.model.synthesis.clone(**changes)
    return network.apply({"params": params["synthesis"], "noise": golden.g["noise"]["synthesis"]}, ws, noise)


def logits(golden: Golden, params, images):
    return golden.model.discriminator.apply({"params": params}, images, golden.labels)
