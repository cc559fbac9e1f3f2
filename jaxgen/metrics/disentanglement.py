"""Shared parts of the disentanglement metrics: codes beside true factors, discrete information, and training splits.

The protocol is that of Locatello et al. 2019, section 4 and appendix: codes are posterior means, and factors are known.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number
from jaxgen.metrics.image_set import OutputBatch

USES = ("real.factors",)
MIN_SAMPLES = 10_000  # of the protocol: with fewer images plug-in estimates of information are far too high
# Two thirds of the images train what predicts factors, as 10,000 of 15,000 do in the protocol.
_TRAIN_SHARE = 2 / 3
_PARTS = 10


class Codes(NamedTuple):
    """Encoded images. codes: float64 [N, Z]. factors: int [N, K], from 0 on. names: of the K factors."""

    codes: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]
    seed: int

    def rows(self, ids: np.ndarray) -> "Codes":
        """The codes of some images."""
        return self._replace(codes=self.codes[ids], factors=self.factors[ids])

    def split(self) -> tuple["Codes", "Codes"]:
        """Two seeded parts, two thirds to train on and a third to test on."""
        order = np.random.default_rng(self.seed).permutation(len(self.codes))
        border = max(1, min(len(order) - 1, round(len(order) * _TRAIN_SHARE)))
        return self.rows(order[:border]), self.rows(order[border:])

    def by_name(self, values: np.ndarray) -> dict[str, float]:
        """Values [K] of the factors, for a record."""
        return {name: float(value) for name, value in zip(self.names, values, strict=True)}


def on_codes(measure: Callable[[Codes], dict]) -> Callable[[Context], Collected]:
    """Decorates a function of `Codes` that returns a metric's result. Gives the metric's `start`.

    Factors with one value in these images are left out. There is no number for codes that are not finite, or without a
    factor that varies.
    """

    @functools.wraps(measure)
    def start(context: Context) -> Collected:
        def finish(codes: np.ndarray) -> dict:
            if bad := int((~np.isfinite(codes)).any(1).sum()):
                return no_number(f"the encoder gave numbers that are not finite for {bad} of {len(codes)} images")
            known = {name: np.asarray(values[: len(codes)]) for name, values in context.real.factors.items()}
            varied = {name: values for name, values in known.items() if np.ptp(values) > 0}
            if not varied:
                return no_number("no factor varies among these images")
            factors = np.stack(list(varied.values()), axis=1).astype(np.int64)
            result = measure(Codes(codes.astype(np.float64), factors, tuple(varied), context.seed))
            return {**result, "codes": codes.shape[1], "factors": list(varied)}

        return Collected(means_of, finish)

    return start


def means_of(batch: OutputBatch) -> np.ndarray:
    """The posterior means [n, Z] of a batch of the view `encode`, which gives them alone or beside log-variances."""
    means = batch.output[0] if isinstance(batch.output, tuple) else batch.output
    return batch.host(means).reshape(batch.count, -1)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy in nats of counts [..., M], over the last axis."""
    shares = counts / counts.sum(-1, keepdims=True)
    return -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(-1)


def in_bins(codes: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each code [N, Z], int from 0 on: equal widths between the least and the greatest of each column."""
    least, width = codes.min(0), np.ptp(codes, axis=0)
    place = (codes - least) / np.where(width > 0, width, 1) * bins
    return np.minimum(place.astype(np.int64), bins - 1)


def information(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Plug-in mutual information in nats of each column of a [N, Z] with each of b [N, K], whole numbers: [Z, K]."""
    found = np.zeros((a.shape[1], b.shape[1]))
    rows, columns = a.max() + 1, b.max() + 1
    for i, j in np.ndindex(found.shape):
        joint = np.bincount(a[:, i] * columns + b[:, j], minlength=rows * columns).reshape(rows, columns)
        found[i, j] = entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint.reshape(-1))
    return np.maximum(found, 0)


def gaps(scores: np.ndarray) -> np.ndarray:
    """The best minus the second best of scores [Z, K] over the codes, [K]. A missing second code counts as 0."""
    best = np.sort(np.concatenate([scores, np.zeros_like(scores[:1])]), axis=0)
    return best[-1] - best[-2]


def without_each_part(codes: Codes, measure: Callable[[Codes], float]) -> np.ndarray | None:
    """The measure without each of ten random tenths of the images, [10], for a jackknife. None for few images."""
    if len(codes.codes) < 10 * _PARTS:
        return None
    part = np.random.default_rng(codes.seed).permutation(len(codes.codes)) % _PARTS
    return np.array([measure(codes.rows(np.flatnonzero(part != left))) for left in range(_PARTS)])


def share_error(shares: np.ndarray, count: int) -> float:
    """Standard error of the mean of K shares of `count` images each, if the K are independent."""
    return float(np.sqrt((shares * (1 - shares)).sum() / count) / len(shares))
