"""Projection of images into the styles of StyleGAN2 (Karras et al. 2020, section 5 and appendix D).

Adam searches for w (one for all layers, or one for each) and the noise maps together. It minimises the images' distance
to the targets plus a penalty on noise maps unlike white noise. Without it the noise maps would paint the picture.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgen.devices import placement
from jaxgen.ops.pixels import from_uint8, to_uint8
from jaxgen.ops.random import example_normal

PyTree = Any
log = logging.getLogger(__name__)
_RAMP_UP, _RAMP_DOWN, _NOISE_UNTIL = 0.05, 0.25, 0.75
_SMALLEST_MAP = 8
_MEAN_SEED, _MEAN_BATCH = 123, 1000


class StyleBudget(NamedTuple):
    """steps: Adam steps. w_noise: initial deviation of noise on w. noise_weight: weight of the maps' regularisation."""

    steps: int
    learning_rate: float
    w_noise: float
    noise_weight: float


class Fit(NamedTuple):
    """The variables of the search. ws: [n, 1 or L, D]. noise: tree of maps [n, r, r]."""

    ws: jax.Array
    noise: PyTree


class StyleProjection(NamedTuple):
    """The fit after the last step, its images uint8 [n, H, W, C] and distance [n]. Images after `progress` steps."""

    fit: Fit
    images: jax.Array
    distance: jax.Array
    progress: dict[int, np.ndarray]


def learning_rate(step, budget: StyleBudget):
    """The learning rate at update `step` (from 0): linear over the first 5%, a cosine to 0 over the last 25%."""
    t = step / budget.steps
    down = jnp.minimum((1 - t) / _RAMP_DOWN, 1.0)
    return budget.learning_rate * jnp.minimum(t / _RAMP_UP, 1.0) * (0.5 - 0.5 * jnp.cos(jnp.pi * down))


def w_noise_scale(step, budget: StyleBudget):
    """Deviation of the noise on w, in deviations of w. It falls quadratically to 0 over the first 75%."""
    return budget.w_noise * jnp.maximum(1 - step / budget.steps / _NOISE_UNTIL, 0.0) ** 2


def noise_regularization(maps: PyTree) -> jax.Array:
    """Squared autocorrelation of noise maps [n, r, r] at a distance of one pixel, summed over maps and scales, [n].

    sum_ij (mean_xy n_ij(x, y) n_ij(x - 1, y))^2 + (mean_xy n_ij(x, y) n_ij(x, y - 1))^2 with wrapped borders.

    n_i0 is map i. n_i,j+1 has the means of the 2x2 blocks of n_ij times 2, down to 8x8. White noise thus keeps its
    variance.
    """
    total = jnp.zeros(())
    for noise in jax.tree.leaves(maps):
        while True:
            for axis in (1, 2):
                total = total + jnp.mean(noise * jnp.roll(noise, 1, axis), axis=(1, 2)) ** 2
            n, side, _ = noise.shape
            if side <= _SMALLEST_MAP:
                break
            noise = 2 * noise.reshape(n, side // 2, 2, side // 2, 2).mean((2, 4))
    return total


def normalised(maps: PyTree) -> PyTree:
    """Each map [n, r, r] with mean 0 and variance 1."""

    def standardised(x):
        x = x - jnp.mean(x, axis=(1, 2), keepdims=True)
        return x * jax.lax.rsqrt(jnp.mean(x**2, axis=(1, 2), keepdims=True))

    return jax.tree.map(standardised, maps)


def w_statistics(mapping: Callable[[np.ndarray], jax.Array], z_dim: int, count: int) -> tuple[np.ndarray, float]:
    """Mean of w [D] over `count` latents, and sqrt(E |w - mean|^2).

    Args:
      mapping: latents float32 [1000, z_dim] -> w.
    """
    latents = np.random.RandomState(_MEAN_SEED).randn(count, z_dim).astype(np.float32)
    ws = []
    for first in range(0, count, _MEAN_BATCH):
        rows = np.minimum(np.arange(first, first + _MEAN_BATCH), count - 1)  # one shape: compiled once
        ws.append(np.asarray(mapping(latents[rows]), np.float64)[: count - first])
    mean = np.concatenate(ws).mean(0)
    return mean, float(np.sqrt(np.square(np.concatenate(ws) - mean).sum(1).mean()))


class Projector:
    """Compiled steps of the search.

    Args:
      synthesis: `(players, ws [n, L, D], noise maps) -> images [n, H, W, C]` in [-1, 1].
      embed: `(params, images) -> arrays [n, ...]`. The squared difference of two images' arrays is their distance.
      num_ws: L.
      separate: one w for each layer (W+), instead of one for all (W).
      mesh: devices to spread the targets over.
    """

    def __init__(self, synthesis: Callable, embed: Callable, num_ws: int, separate: bool, budget: StyleBudget, mesh):
        self._budget, self._mesh, self._layers = budget, mesh, num_ws if separate else 1
        # The second moments of maps and w alike; the rate is that of the update's own number.
        tx = optax.adam(lambda count: learning_rate(count, budget))

        def show(players, fit):
            n, _, dim = fit.ws.shape
            return synthesis(players, jnp.broadcast_to(fit.ws, (n, num_ws, dim)), fit.noise)

        def distance(params, images, embedded):
            pairs = zip(embed(params, images), embedded, strict=True)
            return sum(jnp.sum((a - b) ** 2, axis=tuple(range(1, a.ndim))) for a, b in pairs)

        def step(players, params, embedded, fit, opt_state, deviation, key, ids, number):
            scale = (deviation * w_noise_scale(number, budget))[:, None, None]
            jitter = scale * example_normal(jax.random.fold_in(key, number), ids, fit.ws.shape[1:])

            def loss(fit):
                images = show(players, fit._replace(ws=fit.ws + jitter)).astype(jnp.float32)
                values = distance(params, images, embedded) + budget.noise_weight * noise_regularization(fit.noise)
                return jnp.sum(values)  # a sum: every image has its own gradient, whatever the batch

            updates, opt_state = tx.update(jax.grad(loss)(fit), opt_state)
            fit = optax.apply_updates(fit, updates)
            return fit._replace(noise=normalised(fit.noise)), opt_state

        def result(players, params, embedded, fit):
            images = show(players, fit).astype(jnp.float32)
            return to_uint8(images), distance(params, images, embedded)

        self._step = jax.jit(step, donate_argnums=(3, 4))
        self._result, self._embed, self._init = jax.jit(result), jax.jit(embed), jax.jit(tx.init)

    def project(
        self,
        players: PyTree,
        params: PyTree,
        targets: np.ndarray,
        start: Fit,
        deviation: np.ndarray,
        key: jax.Array,
        ids: np.ndarray,
        kept_after: Iterable[int],
    ) -> StyleProjection:
        """The search for targets uint8 [n, H, W, C]. Each image's search depends on its own id only.

        Args:
          params: parameters of `embed`.
          start: ws [n, 1, D], and noise of `initial_noise`.
          deviation: [n], the deviation of w, see `w_statistics`.
          kept_after: steps after which the images are kept.
        """

        def place(array):
            return placement.place(self._mesh, array)

        players, ids = placement.viewable(players), place(np.asarray(ids, np.int32))
        embedded = self._embed(params, from_uint8(place(targets)))
        n, _, dim = start.ws.shape
        ws = np.broadcast_to(np.asarray(start.ws, np.float32), (n, self._layers, dim))
        fit = Fit(place(ws), jax.tree.map(lambda x: place(np.asarray(x)), start.noise))
        opt_state, deviation, progress = self._init(fit), place(np.float32(deviation)), {}
        for number in range(self._budget.steps):
            if number in kept_after:
                images, distance = self._result(players, params, embedded, fit)
                progress[number] = np.asarray(images)
                log.info("step %d of %d: mean distance %.4f", number, self._budget.steps, float(distance.mean()))
            fit, opt_state = self._step(
                players, params, embedded, fit, opt_state, deviation, key, ids, np.int32(number)
            )
        images, distance = self._result(players, params, embedded, fit)
        return StyleProjection(fit, images, distance, {**progress, self._budget.steps: np.asarray(images)})


def initial_noise(maps: PyTree, key, ids: np.ndarray) -> PyTree:
    """Standard normal maps [n, r, r] in the places of maps [r, r]. Those of image `ids[i]` depend on its id alone."""
    leaves, structure = jax.tree.flatten(maps)
    drawn = [example_normal(jax.random.fold_in(key, i), jnp.asarray(ids), leaf.shape) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, drawn)
