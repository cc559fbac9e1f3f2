"""Logged numbers about the health of a GAN's update, beside its losses. Nothing learns from them.

All share the all-reduce of the discriminator's gradients. They do not depend on the number of devices.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.losses.penalties import interpolate, norm_of_gradient
from jaxgen.ops.layers import SPECTRAL_NORM
from jaxgen.ops.random import DATA_AXIS, example_ids, places_of

# Points of a batch at which the critic's slope is taken: an eighth of a usual batch costs next to nothing.
_POINTS = 8
# Reals and fakes whose distances are taken, and the side to which larger images are averaged before.
_PAIRED = 32
_SIDE = 8
# Two fakes are alike if they are closer than this share of the mean distance between two reals.
_ALIKE = 0.2


class Observer(NamedTuple):
    """The loggable properties of an objective.

    boundary, distance: as in `jaxgen.losses.adversarial.AdversarialLoss`.
    penalized: whether a gradient penalty binds the discriminator.
    """

    boundary: float | None = None
    distance: bool = False
    penalized: bool = False

    def of_logits(self, real: jax.Array, fake: jax.Array) -> dict[str, jax.Array]:
        """Means over this device's logits [B]: shares of correct decisions, and the estimated Wasserstein distance.

        `wasserstein_estimate` is mean D(real) - mean D(fake), in units of the critic's Lipschitz constant (Arjovsky et
        al. 2017, equation 2 and Figure 3).
        """
        metrics = {"real_logits": jnp.mean(real), "fake_logits": jnp.mean(fake)}
        if self.boundary is not None:
            metrics["accuracy_real"] = jnp.mean(real > self.boundary, dtype=jnp.float32)
            metrics["accuracy_fake"] = jnp.mean(fake < self.boundary, dtype=jnp.float32)
        if self.distance:
            metrics["wasserstein_estimate"] = metrics["real_logits"] - metrics["fake_logits"]
        return metrics

    def of_slopes(
        self, critic: Callable, stats, reals, fakes, labels, key, ids, number: jax.Array | int = 0, parts: int = 1
    ) -> dict[str, jax.Array]:
        """||grad D(x)|| at `_POINTS` points between reals and fakes, if the critic is to be Lipschitz.

        Args:
          critic: `(images [n, ...], labels [n] or None) -> logits [n]`, each from its own image alone.
          stats: the critic's collections, for spectral normalisation.
          reals, fakes: [B, ...]. labels: [B] or None.
          key, ids: as for a penalty.
          number, parts: index of this part of the batch, and number of parts.

        Returns:
          `lipschitz`, the mean norm, and `lipschitz_max` [parts * devices], the largest norm of each part on each
          device, once averaged over devices and parts.
        """
        if not (self.distance or self.penalized or SPECTRAL_NORM in stats):
            return {}
        index, counts, total = _spread(reals.shape[0])
        x, y, ids = reals[index], fakes[index], ids[index]
        labels = None if labels is None else labels[index]
        norms = norm_of_gradient(lambda x: critic(x, labels), interpolate(x, y, key, ids))
        norms = jax.lax.stop_gradient(jnp.where(counts, norms, 0.0))
        devices, device = jax.lax.axis_size(DATA_AXIS), jax.lax.axis_index(DATA_AXIS)
        places = devices * parts
        largest = jnp.where(jnp.arange(places) == number * devices + device, places * jnp.max(norms), 0.0)
        return {"lipschitz": jnp.sum(norms) * devices / total, "lipschitz_max": largest}


def _spread(count: int) -> tuple[jax.Array, jax.Array, int]:
    """The global batch's first `_POINTS` examples, which lie evenly on the devices.

    Returns:
      Their places [n] among this device's `count` examples, which of those places count [n], and how many count on all
      devices together.
    """
    devices = jax.lax.axis_size(DATA_AXIS)
    total = min(_POINTS, devices * count)
    return jnp.arange(-(-total // devices)), example_ids(-(-total // devices)) < total, total


def thumbnails(images: jax.Array, number: jax.Array, parts: int) -> jax.Array:
    """The global batch's first examples [n, F], reduced in size, after averaging over devices and parts.

    Args:
      images: [B, ...]. [B, H, W, C] are averaged to about `_SIDE` pixels a side. Other arrays stay unchanged.
      number: index of this part of the batch. Only the first part counts.
      parts: number of parts.
    """
    small = jax.lax.stop_gradient(_shrink(images.astype(jnp.float32)))
    small = small.reshape(small.shape[0], -1)
    devices, count = jax.lax.axis_size(DATA_AXIS), images.shape[0]
    local, is_here = places_of(jnp.arange(min(_PAIRED, devices * count)))
    weight = jnp.where(is_here & (number == 0), devices * parts, 0)
    return weight[:, None] * small[local]


def _shrink(images: jax.Array) -> jax.Array:
    if images.ndim != 4:
        return images
    count, height, width, channels = images.shape
    rows, columns = max(1, height // _SIDE), max(1, width // _SIDE)
    high, wide = height // rows, width // columns
    cut = images[:, : high * rows, : wide * columns]  # less than one block is left over
    return cut.reshape(count, high, rows, wide, columns, channels).mean((2, 4))


def pair_distances(points: jax.Array) -> jax.Array:
    """Euclidean distances [n, n] between rows of [n, F]."""
    points = points - jnp.mean(points, axis=0)  # nearly equal rows far from 0 would lose all their digits
    squares = jnp.sum(jnp.square(points), axis=1)
    products = jnp.matmul(points, points.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.sqrt(jnp.maximum(squares[:, None] + squares - 2 * products, 0.0))


def of_pairs(reals: jax.Array, fakes: jax.Array) -> dict[str, jax.Array]:
    """The similarity of the fakes of a batch, compared with its real images, from thumbnails [n, F].

    Returns:
      `pair_distance_ratio`: mean distance of two fakes divided by that of two real images. Near 0, all are similar.
      `alike_fake`, `alike_real`: shares of pairs closer than `_ALIKE` of the mean distance between two real images. On
      a mixture of K equal clusters it is near 1/K. For a generator with only k different outputs it is 1/k.
    """
    count = reals.shape[0]
    if count < 2:
        return {}
    apart = ~jnp.eye(count, dtype=bool)
    real, fake = (pair_distances(points) for points in (reals, fakes))
    mean_real, mean_fake = (jnp.sum(d, where=apart) / (count * (count - 1)) for d in (real, fake))
    near = (jnp.sum((d < _ALIKE * mean_real) & apart) / (count * (count - 1)) for d in (fake, real))
    # Reals that are all equal leave nothing to collapse from.
    ratio = jnp.where(mean_real > 0, mean_fake / jnp.where(mean_real > 0, mean_real, 1.0), 1.0)
    return {"pair_distance_ratio": ratio, **dict(zip(("alike_fake", "alike_real"), near, strict=True))}
