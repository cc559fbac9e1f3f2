"""Nearest neighbours and manifolds of balls in feature space, exact for any number of images.

Squared distances are computed in tiles from |a|^2 + |b|^2 - 2 a.b on the device, in float32. This cancels for close
pairs, so each distance is an interval around the true value. Comparisons that the intervals leave open are repeated on
the host, in float64, from the plain difference. The results follow the definitions exactly, also for ties and repeated
images: identical features are at distance 0. Apart from the features, memory holds one tile.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, indices, of_features
from jaxgen.metrics.remembered import remembered

# Of the metrics that compare manifolds.
SETTINGS = ("k",)
USES = ("real.features",)
FEW = "the balls of a few images cover nearly everything"
# Rows and columns of a tile. On 2 busy CPU cores a pass over 10,000 x 10,000 pairs of 2,048 features takes 5 to 10 s.
TILE = 2048
# Neighbours that a search settles exactly: one search serves every metric's k.
_KEPT = 8
_PAIRS_AT_ONCE = 4096
K, K_DENSITY = 3, 5
FEWEST = K_DENSITY + 1  # so that each image has its neighbours
# Real images that manifolds are made of, at most: as many as Kynkaanniemi et al. take, and minutes rather than hours.
MAX_REAL = 50_000


class Manifolds(NamedTuple):
    """The position of real and generated images in each other's manifolds, the unions of balls to k-th neighbours.

    in_real: bool [n_fake], in the real manifold (Kynkaanniemi et al. 2019, eq. 2, k = 3, boundary included).
    in_fake: bool [n_real], in the samples' manifold (the same equation).
    balls: int [n_fake], number of real balls around each sample (Naeem et al. 2020, eq. 3, k = 5, boundary excluded).
    covered: bool [n_real], whether a sample is in this image's ball (eq. 4 there).
    """

    in_real: np.ndarray
    in_fake: np.ndarray
    balls: np.ndarray
    covered: np.ndarray


def nearest(a: np.ndarray, b: np.ndarray | None = None, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of b to each row of a, nearest first, by Euclidean distance.

    Args:
      a: features [n, D]. b: features [m, D]. None means a itself, and each row is then no neighbour of itself.

    Returns:
      indices int [n, k] into b, distances float64 [n, k].

    Raises:
      UserError: fewer than k rows to choose from.
    """
    others = len(a) - 1 if b is None else len(b)
    if others < k:
        raise UserError(f"{others} images do not have {k} nearest neighbours. Use more images")
    indices, squared = _neighbours(a, b, kept=max(_KEPT, k + 3))
    return indices[:, :k], np.sqrt(squared[:, :k])


@remembered(keep=8)
def manifolds(real: np.ndarray, fake: np.ndarray, *, k: int = K, k_density: int = K_DENSITY) -> Manifolds:
    """Membership of features in manifolds. One pass over the pairs answers all four questions.

    Args:
      real: [n_real, D]. fake: [n_fake, D].
      k: for precision and recall. k_density: for density and coverage. An image is not its own neighbour.
    """
    if min(len(real), len(fake)) <= max(k, k_density):
        raise UserError(
            f"{max(k, k_density)} nearest neighbours need more images than {len(real)} real and {len(fake)} generated"
        )
    kept = max(_KEPT, k + 3, k_density + 3)
    real_squared, fake_squared = _neighbours(real, None, kept=kept)[1], _neighbours(fake, None, kept=kept)[1]
    return _cross(real, fake, real_squared[:, k - 1], real_squared[:, k_density - 1], fake_squared[:, k - 1])


def count_within(features: np.ndarray, distance: float | np.ndarray) -> np.ndarray:
    """The number of other rows of features [n, D] that have each row within their distance (one, or [n]), int [n]."""
    # The smallest number above makes the excluded boundary an included one.
    squared = np.nextafter(np.square(np.broadcast_to(np.float64(distance), len(features))), np.inf)
    return _cross(features, features, squared, squared, squared).balls - 1


def measured(context: Context, share: Callable[[Manifolds], np.ndarray], over: str, k: int) -> Collected:
    """An accumulator of the mean of `share(manifolds)`, one number for each sample or each real image.

    The numbers depend on the number of images on either side, so compare at equal numbers. Of more than MAX_REAL real
    images a seeded subset is used. The spread is the standard error of the mean over `over`, for a fixed other side. It
    ignores that the manifolds come from a finite draw.
    """
    real = context.real.features(context.extractor)
    if len(real) > MAX_REAL:
        real = real[indices(len(real), MAX_REAL, context.seed)]

    def finish(fake: np.ndarray) -> dict:
        values = share(manifolds(real, fake))
        return {
            "value": float(values.mean()),
            "spread": float(values.std(ddof=1) / np.sqrt(len(values))),
            "spread_kind": f"standard error over {over}",
            "k": k,
            "n_real": len(real),
        }

    return of_features(context.extractor, finish)


def _bounds(a: jax.Array, b: jax.Array, centre: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Lower and upper bounds of the squared distances [n, m] between rows of a and b.

    With norms taken from the centre the rounding of |a|^2 + |b|^2 - 2 a.b stays below (8 + sqrt(D)) float32 epsilons
    of |a|^2 + |b|^2: a sum of D terms in any order is a random walk of roundings, each half an epsilon at most.
    """
    a, b = a - centre, b - centre
    norms = (a * a).sum(1)[:, None] + (b * b).sum(1)
    squared = norms - 2 * jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
    slack = float(np.finfo(np.float32).eps * (8 + np.sqrt(a.shape[1]))) * norms
    return jnp.maximum(squared - slack, 0), squared + slack


@functools.partial(jax.jit, static_argnames=("kept", "same"))
def _screen(best, indices, a, b, centre, row, column, columns, *, kept, same):
    """Merges a tile's columns into each row's `kept` smallest lower bounds; a: rows from `row`, b: from `column`."""
    lower, _ = _bounds(a, b, centre)
    at = column + jnp.arange(len(b))
    out = at >= columns
    if same:
        out = out | (at == row + jnp.arange(len(a))[:, None])
    values, places = jax.lax.top_k(-jnp.where(out, jnp.inf, lower), min(kept, len(b)))
    values = jnp.concatenate([best, -values], 1)
    indices = jnp.concatenate([indices, at[places]], 1)
    best, order = jax.lax.top_k(-values, kept)
    return -best, jnp.take_along_axis(indices, order, 1)


@remembered(keep=8)
def _neighbours(a: np.ndarray, b: np.ndarray | None, *, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and squared distances (float64) [n, kept] of the nearest rows, exact; infinity where there are fewer."""
    same, b = b is None, a if b is None else b
    n, m = len(a), len(b)
    centre = b.mean(0, dtype=np.float64).astype(np.float32)
    indices, lower = np.empty((n, kept), np.int64), np.empty((n, kept))
    for row, rows in _tiles(a):
        best, nearest_ids = jnp.full((len(rows), kept), jnp.inf), jnp.zeros((len(rows), kept), jnp.int32)
        for column, columns in _tiles(b):
            best, nearest_ids = _screen(best, nearest_ids, rows, columns, centre, row, column, m, kept=kept, same=same)
        count = min(len(rows), n - row)
        lower[row : row + count], indices[row : row + count] = np.asarray(best)[:count], np.asarray(nearest_ids)[:count]
    squared = _settled(a, b, indices, np.isfinite(lower))
    # Rows left out are no nearer than the last lower bound; where the search's k-th is beyond it, float64 decides.
    unsure = np.flatnonzero(np.sort(squared, 1)[:, -4] > lower[:, -1])
    if len(unsure):
        indices[unsure] = _candidates(a, b, unsure, kept, same, centre)
        squared[unsure] = _settled(a[unsure], b, indices[unsure], np.ones((len(unsure), kept), bool))
    order = np.lexsort((indices, squared), axis=1)
    return np.take_along_axis(indices, order, 1), np.take_along_axis(squared, order, 1)


def _candidates(a, b, rows, kept, same, centre) -> np.ndarray:
    """Indices [len(rows), kept] of the nearest rows of b by float64 products, unordered."""
    b64 = b.astype(np.float64) - centre
    b_norms, out = np.square(b64).sum(1), []
    for part in np.array_split(rows, -(-len(rows) // 256)):
        a64 = a[part].astype(np.float64) - centre
        squared = np.square(a64).sum(1)[:, None] + b_norms - 2 * (a64 @ b64.T)
        if same:
            squared[np.arange(len(part)), part] = np.inf
        out.append(np.argpartition(squared, kept - 1, axis=1)[:, :kept])
    return np.concatenate(out)


def _settled(a, b, indices, valid) -> np.ndarray:
    """Squared distances of each row of a [n, D] to b[indices] [n, k] in float64; infinity where not `valid`."""
    squared = np.full(indices.shape, np.inf)
    i, place = np.nonzero(valid)
    squared[i, place] = _exact(a, b, i, indices[i, place])
    return squared


def _exact(a, b, i, j) -> np.ndarray:
    """Squared distances of the pairs (a[i], b[j]), float64; the same numbers whichever way round a pair is given."""
    out = np.empty(len(i))
    for first in range(0, len(i), _PAIRS_AT_ONCE):
        part = slice(first, first + _PAIRS_AT_ONCE)
        out[part] = np.square(a[i[part]].astype(np.float64) - b[j[part]]).sum(1)
    return out


@jax.jit
def _relate(real, fake, centre, radius, radius_density, radius_fake):
    """What a tile decides: in_real, in_fake, balls, covered of its rows and columns; and the pairs it leaves open."""
    lower, upper = _bounds(real, fake, centre)
    squares = (radius[:, None], radius_density[:, None], radius_fake[None])
    left_open = functools.reduce(jnp.logical_or, [(lower <= r) & (r <= upper) for r in squares])
    # Columns that pad the tile have the radius -1; rows that do have it in both others.
    decided = ~left_open & (radius_fake >= 0)
    inside, dense, inside_fake = ((upper < r) & decided for r in squares)
    return (inside.any(0), inside_fake.any(1), dense.sum(0), dense.any(1)), left_open


def _cross(real, fake, radius, radius_density, radius_fake) -> Manifolds:
    """`manifolds` from the squared radii (float64) of the real balls, twice, and of the samples' balls."""
    n, m = len(real), len(fake)
    out = Manifolds(np.zeros(m, bool), np.zeros(n, bool), np.zeros(m, np.int64), np.zeros(n, bool))
    centre = real.mean(0, dtype=np.float64).astype(np.float32)
    real_ids, fake_ids = _identities(real, fake)
    for row, rows in _tiles(real):
        radii = [_padded(r.astype(np.float32), row, len(rows), -1) for r in (radius, radius_density)]
        for column, columns in _tiles(fake):
            fake_radii = _padded(radius_fake.astype(np.float32), column, len(columns), -1)
            decided, left_open = _relate(rows, columns, centre, *radii, fake_radii)
            in_real, in_fake, balls, covered = (np.asarray(part) for part in decided)
            i, j = slice(row, min(row + len(rows), n)), slice(column, min(column + len(columns), m))
            out.in_real[j] |= in_real[: j.stop - column]
            out.in_fake[i] |= in_fake[: i.stop - row]
            out.balls[j] += balls[: j.stop - column]
            out.covered[i] |= covered[: i.stop - row]
            pairs = np.nonzero(np.asarray(left_open)[: i.stop - row, : j.stop - column])
            i, j = pairs[0] + row, pairs[1] + column
            # A collapsed model repeats a few samples: each distinct pair is computed once.
            _, first, back = np.unique(real_ids[i] * m + fake_ids[j], return_index=True, return_inverse=True)
            squared = _exact(real, fake, i[first], j[first])[back]
            out.in_real[j[squared <= radius[i]]] = True
            out.in_fake[i[squared <= radius_fake[j]]] = True
            np.add.at(out.balls, j[squared < radius_density[i]], 1)
            out.covered[i[squared < radius_density[i]]] = True
    return out


def _identities(*arrays) -> list[np.ndarray]:
    """For each row of each array the number, in its array, of the first row that equals it."""
    out = []
    for array in arrays:
        first: dict[bytes, int] = {}
        keys = (hashlib.blake2b(row, digest_size=16).digest() for row in array)
        out.append(np.array([first.setdefault(key, i) for i, key in enumerate(keys)], np.int64))
    return out


def _tiles(array: np.ndarray):
    """(first row, rows) of each tile; all of one shape, the last padded with zeros: one program serves all."""
    size = min(TILE, 1 << (len(array) - 1).bit_length())
    for first in range(0, len(array), size):
        yield first, _padded(array, first, size, 0)


def _padded(array: np.ndarray, first: int, size: int, value: float) -> np.ndarray:
    part = array[first : first + size]
    if len(part) == size:
        return part
    return np.concatenate([part, np.full((size - len(part), *array.shape[1:]), value, array.dtype)])
