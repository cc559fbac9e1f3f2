"""Views of a trained StyleGAN2: samples, images of latents, and mapping and synthesis separately."""

from collections.abc import Callable

import jax

from jaxgen.models.stylegan2.layers import broadcast
from jaxgen.models.stylegan2.synthesis import CONST_NOISE, NO_NOISE, RandomNoise
from jaxgen.ops.random import example_normal

RANDOM_NOISE = "random"


def views(map_latents: Callable, synthesize: Callable, z_dim: int, num_ws: int) -> dict[str, Callable]:
    """The views (`jaxgen.recipes.base.Recipe`) of the generator's moving average.

    Args:
      map_latents: `(params, latents [n, z_dim], labels) -> w [n, D]`.
      synthesize: `(params, stats, ws [n, num_ws, D], noise) -> images`.
    """

    def latents(key, ids):
        return example_normal(key, ids, (z_dim,))

    def mapping(state, latents, labels=None):
        return map_latents(state["ema"].params, latents, labels)

    def synthesis(state, ws, noise=CONST_NOISE, key=None, ids=None):
        params, stats = state["ema"].params, state["ema"].stats
        ws = broadcast(ws, num_ws) if ws.ndim == 2 else ws
        if isinstance(noise, str):
            if noise not in (CONST_NOISE, NO_NOISE, RANDOM_NOISE):
                raise ValueError(f"noise={noise!r}: it must be {CONST_NOISE}, {NO_NOISE}, {RANDOM_NOISE} or maps")
            return synthesize(params, stats, ws, RandomNoise(key, ids) if noise == RANDOM_NOISE else noise)
        # Maps [n, r, r] in place of [r, r]: each image has its own.
        return synthesize(params, {**stats, "noise": noise}, ws, CONST_NOISE)

    def sample(state, key, ids, labels=None):
        w = mapping(state, latents(key, ids), labels)
        return synthesis(state, w, RANDOM_NOISE, jax.random.fold_in(key, 1), ids)

    def decode(state, latents, labels=None):
        """With the network's own constant noise, so that an image is a function of its latents."""
        return synthesis(state, mapping(state, latents, labels))

    def w_average(state):
        return state["ema"].stats["w_avg"]

    def noise_maps(state):
        return state["ema"].stats["noise"]

    return {
        "sample": sample,
        "latents": latents,
        "decode": decode,
        "mapping": mapping,
        "synthesis": synthesis,
        "w_average": w_average,
        "noise_maps": noise_maps,
    }
