"""The Frechet distance of infinitely many samples (FID-infinity, Chong and Forsyth 2020), by extrapolation.

With N samples the distance is too large by about c / N. The factor c depends on the model, so
even models at one N may be ranked wrongly. Extrapolation removes the bias from the number of *samples*. The bias from
the number of real images stays. Cost: 20 distances and one decomposition. At 2,048 features it takes about a minute on
one core.
"""

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics import frechet
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, of_features

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance, extrapolated", ""
CANONICAL_TITLE = "FID-infinity"
MEANING = "The Frechet distance of infinitely many samples, by extrapolation."
SETTINGS = ("points", "smallest_size")
# The smallest number that its authors evaluate with.
MIN_SAMPLES = 5000
FEWEST = 4  # three sizes of two samples and more
EXTRACTOR = CHOSEN
USES = ("real.statistics",)
PREFIX = "fd_infinity"
FEW = "the extrapolation needs sample sizes well above the number of features, but kid is unbiased at any number"
POINTS = 10
_AT_ONCE = 5000


def sizes(n: int, feature_size: int) -> np.ndarray:
    """Sample sizes for the fit, evenly from n / 10 to n. Each is at least twice the features unless n / 2 is less.

    Below the number of features, the covariance is rank-deficient and the distance is no longer linear in 1 / N.
    """
    smallest = max(n // 10, min(n // 2, 2 * feature_size), 2)
    return np.unique(np.linspace(smallest, n, POINTS).astype(int))


def extrapolate(counts: np.ndarray, distances: np.ndarray) -> tuple[float, float, float]:
    """Least squares of distances against 1 / count: the intercept, its standard error, and the slope."""
    design = np.stack([np.ones(len(counts)), 1 / np.asarray(counts, np.float64)], 1)
    coefficients = np.linalg.lstsq(design, distances, rcond=None)[0]
    residual = np.sum((distances - design @ coefficients) ** 2) / (len(counts) - 2)
    error = np.sqrt(residual * np.linalg.inv(design.T @ design)[0, 0])
    return float(coefficients[0]), float(error), float(coefficients[1])


def distance_at_infinity(real: frechet.Reference, features: np.ndarray, seed: int) -> dict:
    """The extrapolated distance of features [n, D], its spread, and facts about the fit.

    Each size has its own random subset. The fit's standard error alone is too small, since the subsets share samples.
    The shared part is the jackknife spread of the whole set's distance. Both parts add in squares. Over fresh draws of
    Gaussians, the result was within a quarter of the true standard deviation.
    """
    counts = sizes(*features.shape)
    if len(counts) < 3:
        raise UserError(f"fid_infinity: {len(features)} samples give too few sizes for a line fit. Use more samples")
    random = np.random.default_rng(seed)
    distances = [real.distance(_statistics(features, random.permutation(len(features))[:n])) for n in counts[:-1]]
    stream = frechet.GroupedStatistics(len(features), seed)
    stream.update(features)
    whole, jackknifed = frechet.distance_and_spread(real, stream.parts())
    distances.append(whole)
    value, error, slope = extrapolate(counts, distances)
    return {
        "value": value,
        "spread": float(np.hypot(error, jackknifed)) if jackknifed is not None else None,
        "spread_kind": "jackknife standard deviation over draws of samples and standard error of the fit, in squares",
        "standard_error_of_fit": error,
        "slope": slope,
        "points": len(counts),
        "smallest_size": int(counts[0]),
        "finite_distance": whole,
    }


def _statistics(features: np.ndarray, chosen: np.ndarray) -> frechet.FeatureStatistics:
    # Piece by piece, for float64 copies of 50,000 x 2,048 features are no small matter.
    pieces = (features[chosen[i : i + _AT_ONCE]] for i in range(0, len(chosen), _AT_ONCE))
    return frechet.merged([frechet.FeatureStatistics.of(piece) for piece in pieces])


def start(context: Context) -> Collected:
    """An accumulator of the extrapolated distance. It may be below 0 for a perfect model."""
    real = frechet.reference(context.real.statistics(context.extractor))
    return of_features(context.extractor, lambda features: distance_at_infinity(real, features, context.seed))
