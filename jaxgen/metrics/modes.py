"""Covered modes and the share of high-quality samples, on mixtures of Gaussians with known centres.

The ring of 8 and the grid of 25 come from Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN). They count
among 2,500 samples. More samples find rare modes more easily, so compare at equal numbers.
"""

import numpy as np
from scipy.stats import chi2

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, of_output

NEEDS = "points"
DIRECTION = "higher"
TITLE, UNIT = "modes covered", "modes"
MEANING = "Number of mixture components with a sample within three standard deviations."
SETTINGS = ("modes", "limit_in_std")
MIN_SAMPLES = 2500
EXTRACTOR = None
USES = ("facts.centres",)
LIMIT = 3.0  # standard deviations


def mode_coverage(points: np.ndarray, centres: np.ndarray, std: float | np.ndarray) -> dict:
    """Distribution of samples over the modes of a mixture of M equally likely isotropic Gaussians.

    A sample is of high quality within 3 standard deviations (Euclidean) of its nearest centre. A mode is covered if it
    has a sample of high quality.

    Args:
      points: [N, D]. A point that is not finite has no mode. centres: [M, D]. std: of every Gaussian, or [M].

    Returns:
      covered: number of modes. counts: high-quality samples of each mode. high_quality: their share of all samples.
      high_quality_expected: the mixture's own share, if the modes are separate. kl_to_uniform: KL(p || uniform) in nats
      of the modes' shares p of high-quality samples, or inf without such samples.
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    distance = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    nearest = distance.argmin(1)
    good = distance[np.arange(len(points)), nearest] <= LIMIT * np.broadcast_to(std, len(centres))[nearest]
    counts = np.bincount(nearest[good], minlength=len(centres))
    share = counts[counts > 0] / max(counts.sum(), 1)
    kl = np.sum(share * np.log(share * len(centres))) if len(share) else np.inf
    return {
        "covered": int((counts > 0).sum()),
        "counts": counts,
        "high_quality": float(good.mean()),
        "high_quality_expected": float(chi2.cdf(LIMIT**2, centres.shape[1])),
        "kl_to_uniform": float(max(kl, 0.0)),
    }


def start(context: Context) -> Collected:
    """An accumulator of the number of covered modes. `context.info["points"]` holds `centres` [M, D] and `std`."""
    facts = context.info["points"]

    def finish(points: np.ndarray) -> dict:
        coverage = mode_coverage(points, facts["centres"], facts["std"])
        counts, share = coverage.pop("counts"), coverage["high_quality"]
        return {
            "value": float(coverage.pop("covered")),
            "spread": None,
            "spread_kind": "none: a count over all samples",
            "modes": len(counts),
            **coverage,
            "high_quality_standard_error": float(np.sqrt(share * (1 - share) / len(points))),
            "samples_of_each_mode": counts.tolist(),
            "limit_in_std": LIMIT,
        }

    return of_output(finish)
