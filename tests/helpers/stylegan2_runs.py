"""A small StyleGAN2 at random weights as a run, without a checkpoint behind it."""

import contextlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.devices import parallel
from jaxgen.runs import session
from jaxgen.settings import default


def tiny(**changes):
    """Digits at 8x8, eight channels, ten classes; changes as `model__conditional=False`."""
    config = default.get_config()
    config.data.image_size, config.data.limit = 8, 64
    config.recipe.name = config.model.name = "stylegan2"
    config.model.update({"architecture": "skip", "latent_dim": 8, "mapping_layers": 2, "channel_base": 64})
    config.model.update({"channel_max": 8, "stddev_group": 4, "conditional": True})
    config.batch_size, config.num_devices = 16, 1
    config.evaluation.metrics = ("psnr",)
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


class Run(NamedTuple):
    """opened: the session. players: its state; noise strengths, w_avg and the mapping are not those of the start."""

    opened: session.Session
    players: dict

    @contextlib.contextmanager
    def checkpoint(self, config, folder, which, needs_images=True, check=lambda opened: None):
        """In place of `restoring.open_finished`."""
        opened = self.opened._replace(config=config)
        check(opened)
        yield opened, parallel.TrainState(jnp.int32(7), jax.random.key(0), self.players), 7


def run(config) -> Run:
    opened = session.open_session(config)
    players = dict(jax.jit(opened.recipe.init)(jax.random.key(0)))
    rng = np.random.default_rng(0)

    def moved(path, leaf):
        name = path[-1].key
        if name == "noise_strength":
            return jnp.full(leaf.shape, 0.3)
        if path[-2].key == "embed" or name == "w_avg":
            return jnp.asarray(rng.normal(size=leaf.shape), jnp.float32)
        return leaf

    ema = players["ema"]
    players["ema"] = ema.replace(
        params=jax.tree_util.tree_map_with_path(moved, ema.params),
        stats={**ema.stats, "w_avg": jnp.asarray(rng.normal(size=8), jnp.float32)},
    )
    return Run(opened, players)
