"""Converts rows of a table to network inputs and back. Statistics of the training split alone normalise the columns."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from scipy.special import ndtri

from jaxgen.data.table import Column, decimals, label_place
from jaxgen.errors import UserError
from jaxgen.settings import lookup

NORMALIZATIONS = ("quantile", "class_quantile", "mode_specific")
# Of mode-specific normalisation: components at most, the weight below which one is left out, and how many standard
# deviations the scalar 1 stands for (Xu et al. 2019, section 4.2, and the authors' code).
MODES, MIN_WEIGHT, REACH = 10, 0.005, 4.0
# The largest place within a mode: a tangent comes near to 1 but does not reach it.
_EDGE = 0.99


class _Quantiles(NamedTuple):
    """Columns [Q] by their distribution functions: knots (levels, values) [K, Q, P] of each class, or of all."""

    columns: np.ndarray
    slots: np.ndarray
    levels: np.ndarray
    values: np.ndarray


class _Modes(NamedTuple):
    """Columns [M] by mixtures of Gaussians: means, deviations [M, K], slots of each mode [M, K], -1 where none."""

    columns: np.ndarray
    slots: np.ndarray
    mode_slots: np.ndarray
    means: np.ndarray
    deviations: np.ndarray


class TableCodec(NamedTuple):
    """Converts rows [N, C] to vectors [N, E] and back. The label column is not part of the vectors.

    layout: the parts of the E numbers, in order, as (kind, count). "linear" is standard normal over the training
      rows. "tanh" lies in (-1, 1). "softmax" is one-hot: categories of a column, or modes of a number.
    places: decimal places of each column, -1 for a column without rounding.
    encoded: the training rows as vectors, float32 [N, E].
    """

    layout: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    constants: np.ndarray
    low: np.ndarray
    high: np.ndarray
    places: np.ndarray
    categorical: tuple[tuple[int, int, int], ...]
    quantiles: _Quantiles
    modes: _Modes
    encoded: np.ndarray

    @property
    def width(self) -> int:
        """The size of a vector, E."""
        return sum(count for _, count in self.layout)

    def decode(self, vectors: jax.Array, labels: jax.Array | None) -> jax.Array:
        """Rows float32 [N, C] in the columns' own units, from vectors [N, E] and labels [N].

        Numbers are clipped to the range of the training rows and rounded to the same number of decimal places.
        """
        rows = jnp.broadcast_to(jnp.asarray(self.constants), (vectors.shape[0], len(self.constants)))
        quantiles, modes = self.quantiles, self.modes
        if len(quantiles.columns):
            level = jax.scipy.special.ndtr(vectors[:, quantiles.slots])
            look_up = jax.vmap(jnp.interp, in_axes=(1, 0, 0), out_axes=1)
            of_class = jax.vmap(look_up, in_axes=(None, 0, 0))(level, quantiles.levels, quantiles.values)
            classes = labels if len(of_class) > 1 else jnp.zeros(len(vectors), jnp.int32)
            rows = rows.at[:, quantiles.columns].set(of_class[classes, jnp.arange(len(vectors))])
        if len(modes.columns):
            scores = jnp.where(modes.mode_slots >= 0, vectors[:, modes.mode_slots], -jnp.inf)
            chosen = jnp.argmax(scores, axis=-1)
            place = jnp.arange(len(modes.columns))
            mean, deviation = (jnp.asarray(x)[place, chosen] for x in (modes.means, modes.deviations))
            rows = rows.at[:, modes.columns].set(mean + REACH * deviation * vectors[:, modes.slots])
        steps = (10.0 ** np.maximum(self.places, 0)).astype(np.float32)
        rounded = jnp.where(self.places >= 0, jnp.round(rows * steps) / steps, rows)
        rows = jnp.clip(rounded, self.low, self.high)
        for column, first, count in self.categorical:
            rows = rows.at[:, column].set(jnp.argmax(vectors[:, first : first + count], axis=-1))
        place = label_place(self.columns)
        return rows if place is None else rows.at[:, place].set(labels)


def fit(columns: Sequence[Column], rows: np.ndarray, config: ConfigDict) -> TableCodec:
    """The codec of a table, with the training rows as vectors in `encoded`.

    `config.seed` draws ties and modes once. The same data give the same codec and vectors.

    Args:
      columns: the columns of the table. rows: float32 [N, C] of the training split.
      config: `config.data`. Reads `normalization` and `seed`. The choice "quantile" makes each number standard normal
        by its distribution function. The choice "class_quantile" uses the distribution function of the row's class. The
        choice "mode_specific" gives a place within a mode of a Gaussian mixture (Xu et al. 2019, section 4.2).

    Raises:
      UserError: an unknown normalisation, or no column that changes.
    """
    kind = config.normalization
    if kind not in NORMALIZATIONS:
        raise UserError(lookup.unknown("data.normalization", kind, list(NORMALIZATIONS)))
    place = label_place(columns)
    labels = np.zeros(len(rows), int) if place is None or kind != "class_quantile" else rows[:, place].astype(int)
    rng = np.random.default_rng((config.seed, 3))
    layout, parts, categorical, quantiles, modes = [], [], [], [], []
    for number, (column, values) in enumerate(zip(columns, rows.astype(np.float64).T, strict=True)):
        first = sum(count for _, count in layout)
        if column.label or (values == values[0]).all():
            continue
        if column.categories:
            layout.append(("softmax", len(column.categories)))
            parts.append(np.eye(len(column.categories))[values.astype(int)])
            categorical.append((number, first, len(column.categories)))
        elif kind == "mode_specific":
            place_in_mode, one_hot, means, deviations = _to_modes(values, rng, config.seed)
            layout += [("tanh", 1), ("softmax", len(means))]
            parts += [place_in_mode[:, None], one_hot]
            modes.append((number, first, means, deviations))
        else:
            normal, knots = _to_normal(values, labels, rng)
            layout.append(("linear", 1))
            parts.append(normal[:, None])
            quantiles.append((number, first, knots))
    if not layout:
        raise UserError("data: no column of the training split changes, so there is nothing to learn")
    numeric = np.array([not column.categories for column in columns])
    places = [decimals(values) if isnumeric else None for values, isnumeric in zip(rows.T, numeric, strict=True)]
    return TableCodec(
        tuple(layout),
        tuple(columns),
        rows[0].astype(np.float32),
        np.where(numeric, rows.min(axis=0), 0).astype(np.float32),
        np.where(numeric, rows.max(axis=0), 0).astype(np.float32),
        np.array([-1 if count is None else count for count in places]),
        tuple(categorical),
        _packed_quantiles(quantiles),
        _packed_modes(modes),
        np.concatenate(parts, axis=1).astype(np.float32),
    )


def _to_normal(values: np.ndarray, labels: np.ndarray, rng) -> tuple[np.ndarray, list]:
    """Standard normal scores [N] of `values`, each class by its own ranks, and the knots of each class.

    Equal values lie side by side, anywhere between the first and the last of their ranks.
    """
    normal, knots = np.empty(len(values)), []
    for label in range(labels.max() + 1):
        members = labels == label
        distinct, where, counts = np.unique(values[members], return_inverse=True, return_counts=True)
        first = np.cumsum(counts) - counts
        total = counts.sum()
        offset = np.where(counts > 1, counts - 1, 0)
        level = (first[where] + 0.5 + offset[where] * rng.random(total)) / total
        normal[members] = ndtri(level)
        ends = np.stack([first + 0.5, first + 0.5 + offset], axis=1) / total
        keep = np.stack([np.full(len(distinct), True), counts > 1], axis=1)
        knots.append((ends[keep], np.repeat(distinct, 2).reshape(-1, 2)[keep]))
    return normal, knots


def _to_modes(values: np.ndarray, rng, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Place within its mode [N], the mode one-hot [N, K], means and standard deviations of the modes [K]."""
    # Imported here: it takes a second, which only this normalisation needs.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture
    from threadpoolctl import threadpool_limits

    centre, scale = values.mean(), values.std()
    standard = ((values - centre) / scale)[:, None]
    mixture = BayesianGaussianMixture(
        n_components=min(MODES, len(np.unique(values))),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        random_state=seed,
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # an approximate mixture normalises as well
        share = mixture.fit(standard).predict_proba(standard)
    active = mixture.weights_ > MIN_WEIGHT
    means = centre + scale * mixture.means_[active, 0]
    deviations = scale * np.sqrt(mixture.covariances_[active, 0, 0])
    within = np.abs(values[:, None] - means) / (REACH * deviations)
    # Every value must lie within a mode, or it could not come back: the nearest one is widened to hold it.
    nearest = within.argmin(1)
    for mode in range(len(means)):
        deviations[mode] *= max(within[nearest == mode, mode].max(initial=0) / _EDGE, 1)
    within = (values[:, None] - means) / (REACH * deviations)
    share = np.where(np.abs(within) <= _EDGE * (1 + 1e-9), share[:, active] + 1e-9, 0)
    edges = np.cumsum(share / share.sum(1, keepdims=True), axis=1)
    chosen = np.minimum((rng.random(len(values))[:, None] >= edges).sum(1), len(means) - 1)
    used, mode = np.unique(chosen, return_inverse=True)
    return within[np.arange(len(values)), chosen], np.eye(len(used))[mode], means[used], deviations[used]


def _packed_quantiles(fitted: list) -> _Quantiles:
    """Knots of all columns and classes in arrays; the last knot repeats where there are fewer."""
    columns, slots = ([part[i] for part in fitted] for i in (0, 1))
    most = max((len(levels) for *_, knots in fitted for levels, _ in knots), default=0)
    packed = [
        [[np.pad(knot[part], (0, most - len(knot[part])), mode="edge") for knot in knots] for *_, knots in fitted]
        for part in (0, 1)
    ]
    shape = len(fitted), max((len(knots) for *_, knots in fitted), default=1), most
    levels, values = (np.array(part, np.float32).reshape(shape).swapaxes(0, 1) for part in packed)
    return _Quantiles(np.array(columns, int), np.array(slots, int), levels, values)


def _packed_modes(fitted: list) -> _Modes:
    columns, slots = ([part[i] for part in fitted] for i in (0, 1))
    shape = len(fitted), max((len(means) for *_, means, _ in fitted), default=0)
    mode_slots, means, deviations = np.full(shape, -1), np.zeros(shape, np.float32), np.ones(shape, np.float32)
    for i, (_, first, mean, deviation) in enumerate(fitted):
        mode_slots[i, : len(mean)] = first + 1 + np.arange(len(mean))
        means[i, : len(mean)], deviations[i, : len(mean)] = mean, deviation
    return _Modes(np.array(columns, int), np.array(slots, int), mode_slots, means, deviations)
