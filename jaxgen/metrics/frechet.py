"""The Frechet distance between two sets of features, in float64 on the host, from streamed statistics."""

import functools
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from jaxgen.metrics.remembered import remembered

GROUPS = 10


class FeatureStatistics(NamedTuple):
    """Count, mean [D] and scatter [D, D] (sum of centred outer products) of features seen so far, in float64."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "FeatureStatistics":
        """Statistics of features [n, D]. n may be 0."""
        features = np.asarray(features, np.float64)
        mean = features.mean(0) if len(features) else np.zeros(features.shape[1])
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Statistics of the union of both sets, without the cancellation of plain sums (Chan et al. 1979)."""
        n = self.n + other.n
        if n == 0:
            return self
        step = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter += np.outer(step * (self.n * other.n / n), step)
        return FeatureStatistics(n, self.mean + step * (other.n / n), scatter)

    def without(self, part: "FeatureStatistics") -> "FeatureStatistics":
        """The inverse of `merge`: statistics of this set without a part of it."""
        n = self.n - part.n
        mean = self.mean + (self.mean - part.mean) * (part.n / n)
        step = part.mean - mean
        scatter = self.scatter - part.scatter
        scatter -= np.outer(step * (n * part.n / self.n), step)
        return FeatureStatistics(n, mean, scatter)

    def covariance(self) -> np.ndarray:
        """Unbiased covariance [D, D] (ddof = 1). It needs two examples."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 examples, not {self.n}")
        return self.scatter / (self.n - 1)


def _one_thread() -> threadpool_limits:
    # On idle cores BLAS threads gain an eigendecomposition little; beside other work they wait for each other by
    # spinning: at D = 1280 on two busy cores 24 s where one thread took 1.9 s.
    return threadpool_limits(1, user_api="blas")


class Reference:
    """The real side of the distance, decomposed once and compared with many sets."""

    def __init__(self, statistics: FeatureStatistics):
        covariance = statistics.covariance()
        with _one_thread():
            values, vectors = np.linalg.eigh(covariance)
        # Fewer images than features leave the covariance a null space, whose eigenvalues are rounding only. Without it
        # the root, and the eigenproblem of each distance, is as small as the rank.
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        # Rows of `root` are the eigenvectors times the square roots of their eigenvalues: root.T @ root = covariance.
        self.root = np.sqrt(values[kept])[:, None] * vectors.T[kept]
        self.mean, self.trace = statistics.mean, np.trace(covariance)

    def distance(self, other: FeatureStatistics) -> float:
        """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. 2017, eq. 6. Rounding below 0 gives 0.

        The trace of the root is the sum of the square roots of the eigenvalues of the symmetric R S2 R^T, R^T R = S1.
        """
        covariance = other.covariance()
        product = self.root @ covariance @ self.root.T
        with _one_thread():
            eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
        cross = np.sqrt(np.maximum(eigenvalues, 0)).sum()
        squared = np.sum((self.mean - other.mean) ** 2)
        return float(max(squared + self.trace + np.trace(covariance) - 2 * cross, 0.0))


@remembered(keep=2)
def reference(statistics: FeatureStatistics) -> Reference:
    """A cached `Reference`. Its decomposition takes seconds, and several metrics compare with one real set."""
    return Reference(statistics)


def frechet_distance(real: FeatureStatistics, fake: FeatureStatistics) -> float:
    """The (squared) Frechet distance between Gaussians with the statistics of `real` and `fake`."""
    return Reference(real).distance(fake)


class GroupedStatistics:
    """Statistics of a stream of `total` examples, kept in random groups so that a spread can be computed later.

    A seeded permutation of the example number assigns groups. The batch size and an order by class in the stream thus
    do not change a group.
    """

    def __init__(self, total: int, seed: int, groups: int = GROUPS):
        groups = min(groups, total)
        self._group = np.random.default_rng(seed).permutation(total) * groups // total
        self._parts: list[FeatureStatistics | None] = [None] * groups
        self._waiting: list[np.ndarray] = []
        self._seen = 0

    def update(self, features: np.ndarray) -> None:
        """Adds the next features [n, D] of the stream."""
        self._waiting.append(np.asarray(features, np.float32))
        # Outer products of many rows at a time are several times faster than of a few.
        if sum(len(part) for part in self._waiting) >= 1000:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        features = np.concatenate(self._waiting)
        group = self._group[self._seen : self._seen + len(features)]
        for g in np.unique(group):
            part = FeatureStatistics.of(features[group == g])
            before = self._parts[g]
            self._parts[g] = part if before is None else before.merge(part)
        self._seen += len(features)
        self._waiting = []

    def parts(self) -> list[FeatureStatistics]:
        """Each group's statistics."""
        self._flush()
        return [part for part in self._parts if part is not None]


def merged(parts: list[FeatureStatistics]) -> FeatureStatistics:
    """Statistics of all parts together."""
    return functools.reduce(FeatureStatistics.merge, parts)


def jackknife(left_out: list[float] | np.ndarray) -> float:
    """Standard deviation over draws of an estimate, from its values without each group (Efron and Stein 1981).

    sqrt((G - 1) / G * sum_g (d_g - mean d)^2) for G groups of one size.
    """
    return float(np.sqrt((len(left_out) - 1) * np.var(left_out)))


def distance_and_spread(reference: Reference, parts: list[FeatureStatistics]) -> tuple[float, float | None]:
    """The distance of all parts together and its standard deviation over draws of the fake set, for a fixed real set.

    The spread is the delete-a-group `jackknife`. All distances without a group share one sample size, so the distance's
    bias, which falls with the sample size, cancels. Separate fifths of the samples would each show a far larger
    distance. The spread is None below 3 groups, or if a remainder has fewer than 2 examples.
    """
    whole, groups = merged(parts), len(parts)
    value = reference.distance(whole)
    if groups < 3 or whole.n - max(part.n for part in parts) < 2:
        return value, None
    return value, jackknife([reference.distance(whole.without(part)) for part in parts])


class Distance:
    """A metric in progress (`metrics.base.Accumulator`): the Frechet distance of one extractor's features."""

    def __init__(self, extractor: str, real: FeatureStatistics, n_fake: int, seed: int):
        self._extractor, self._reference = extractor, reference(real)
        self._fake = GroupedStatistics(n_fake, seed)

    def update(self, batch) -> None:
        """Adds the features of a `metrics.image_set.OutputBatch`."""
        self._fake.update(batch.features(self._extractor)[0])

    def result(self) -> dict:
        """Value and jackknife spread."""
        value, spread = distance_and_spread(self._reference, self._fake.parts())
        return {"value": value, "spread": spread, "spread_kind": "jackknife standard deviation over draws of samples"}
