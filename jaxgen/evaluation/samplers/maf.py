"""Masked autoregressive flow (Papamakarios et al. 2017): a density with exact likelihood, fitted to the latents."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.samplers import training
from jaxgen.evaluation.samplers.base import check_finite, noise, standardised
from jaxgen.metrics.extractors.statistics_file import Mismatch

facts = training.facts
_BLOCKS = 5
# |log scale| of a conditional stays below this.
_LOG_SCALE_BOUND = 5.0
_LAYERS = ("first", "second", "last")


def masks(size: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of a MADE with two hidden layers (Germain et al. 2015): output i depends on inputs before i alone.

    Each is [inputs, outputs]. The last layer gives [means, log scales].
    """
    inputs, hidden = np.arange(size), np.arange(width) % max(size - 1, 1)
    first, second = inputs[:, None] <= hidden, hidden[:, None] <= hidden
    last = hidden[:, None] < np.tile(inputs, 2)
    return tuple(mask.astype(np.float32) for mask in (first, second, last))


def init(key: jax.Array, size: int, width: int) -> list[dict]:
    """Parameters of all blocks: kernels and biases of each layer. The last layer starts at 0, the identity."""
    shapes = {"first": (size, width), "second": (width, width), "last": (width, 2 * size)}
    blocks = []
    for number in range(_BLOCKS):
        block = {}
        for layer, (name, shape) in enumerate(shapes.items()):
            scale = 0.0 if name == "last" else shape[0] ** -0.5
            normal = jax.random.normal(jax.random.fold_in(key, 3 * number + layer), shape)
            block[name] = {"kernel": scale * normal, "bias": jnp.zeros(shape[1])}
        blocks.append(block)
    return blocks


def conditionals(block: dict, x: jax.Array, parts: tuple) -> tuple[jax.Array, jax.Array]:
    """Mean and log scale, [n, Z] each, of each number of x given those before it."""
    for name, mask in zip(_LAYERS, parts, strict=True):
        x = x @ (block[name]["kernel"] * mask) + block[name]["bias"]
        x = jnp.tanh(x) if name != "last" else x
    mean, log_scale = jnp.split(x, 2, axis=-1)
    return mean, _LOG_SCALE_BOUND * jnp.tanh(log_scale / _LOG_SCALE_BOUND)


def log_density(blocks: list[dict], x: jax.Array, parts: tuple) -> jax.Array:
    """log p(x) in nats, [n, Z] -> [n] (equations 3 to 5). Each block reverses the order of the dimensions."""
    total = jnp.zeros(x.shape[0])
    for block in blocks:
        mean, log_scale = conditionals(block, x, parts)
        x = ((x - mean) * jnp.exp(-log_scale))[:, ::-1]
        total = total - jnp.sum(log_scale, axis=-1)
    return total - 0.5 * jnp.sum(jnp.square(x) + jnp.log(2 * jnp.pi), axis=-1)


@jax.jit
def transformed(blocks: list[dict], normal: jax.Array, parts: tuple) -> jax.Array:
    """Latents [n, Z] from normal numbers: the inverse of `log_density`'s way, one dimension after the other."""
    x = normal
    for block in reversed(blocks):
        aim = x[:, ::-1]

        def body(place, x, block=block, aim=aim):
            mean, log_scale = conditionals(block, x, parts)
            return x.at[:, place].set(aim[:, place] * jnp.exp(log_scale[:, place]) + mean[:, place])

        x = jax.lax.fori_loop(0, normal.shape[1], body, jnp.zeros_like(aim))
    return x


class Flow(NamedTuple):
    """A fitted flow. blocks: as of `init`. mean, deviation: [Z], of the latents. facts: as for all samplers."""

    blocks: list[dict]
    mean: np.ndarray
    deviation: np.ndarray
    facts: Mapping[str, Any]

    def draw(self, key: jax.Array, ids: np.ndarray) -> np.ndarray:
        """As for all samplers (`base.LatentSampler`)."""
        size, width = self.blocks[0]["first"]["kernel"].shape
        _, normal = noise(key, np.asarray(ids, np.int32), size)
        return np.asarray(transformed(self.blocks, normal, masks(size, width))) * self.deviation + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """As for all samplers."""
        stacked = {"mean": self.mean, "deviation": self.deviation}
        for layer in _LAYERS:
            for part in ("kernel", "bias"):
                stacked[f"{layer}_{part}"] = np.stack([np.asarray(block[layer][part]) for block in self.blocks])
        return stacked


def fit(latents: np.ndarray, settings, seed: int, facts: Mapping[str, Any]) -> Flow:
    """A flow of five blocks, trained on nine tenths of the latents. The rest chooses the best parameters.

    Raises:
      UserError: too few latents, or a loss that is not finite.
    """
    scaled, mean, deviation = standardised(latents)
    parts = masks(latents.shape[1], settings.sampler_width)

    def loss(blocks, x, key):
        del key
        return -jnp.mean(log_density(blocks, x, parts))

    start = init(jax.random.key(seed), latents.shape[1], settings.sampler_width)
    blocks, found = training.best(loss, start, scaled, settings.sampler_steps, seed, "maf")
    return Flow(jax.tree.map(np.asarray, blocks), mean, deviation, {**facts, **found})


def restore(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Flow:
    """The flow from the arrays of a file.

    Raises:
      Mismatch: arrays that make no flow.
    """
    names = ["mean", "deviation", *(f"{layer}_{part}" for layer in _LAYERS for part in ("kernel", "bias"))]
    known = {name: np.asarray(arrays[name], np.float32) for name in names}
    check_finite(known)
    count, size, width = known["first_kernel"].shape
    blocks = [
        {layer: {part: known[f"{layer}_{part}"][i] for part in ("kernel", "bias")} for layer in _LAYERS}
        for i in range(count)
    ]
    aims = jax.eval_shape(partial(init, size=size, width=width), jax.random.key(0))
    if count != _BLOCKS or jax.tree.map(lambda a: a.shape, blocks) != jax.tree.map(lambda a: a.shape, aims):
        raise Mismatch("damaged (shapes)")
    if known["mean"].shape != (size,) or known["deviation"].shape != (size,):
        raise Mismatch("damaged (shapes)")
    return Flow(blocks, known["mean"], known["deviation"], facts)
