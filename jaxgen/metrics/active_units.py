"""Number of active latent units (Burda et al. 2016, section 5.1): units whose posterior differs from the prior."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "active units", ""
MEANING = "Number of latent dimensions that the encoder uses. Further dimensions carry no information."
SETTINGS = ("units", "threshold")
MIN_SAMPLES = 100
FEWEST = 2  # one image has no variance
EXTRACTOR = None
THRESHOLD = 0.01
_RESAMPLES = 200


def activity(mean: np.ndarray) -> np.ndarray:
    """A_u = Var_x(E_{q(u|x)}[u]) of posterior means [N, Z], float64 [Z]."""
    return np.asarray(mean, np.float64).var(0)


def kl_per_dimension(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Mean over images of KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, for each latent dimension: [Z]."""
    mean, log_variance = np.asarray(mean, np.float64), np.asarray(log_variance, np.float64)
    return 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).mean(0)


def _resampled_counts(mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of active units under resamplings of the images, [R]."""
    centred = np.asarray(mean, np.float64)
    centred = centred - centred.mean(0)
    weights = rng.multinomial(len(mean), np.full(len(mean), 1 / len(mean)), _RESAMPLES) / len(mean)
    return (weights @ centred**2 - (weights @ centred) ** 2 > THRESHOLD).sum(1)


def start(context: Context) -> Collected:
    """An accumulator of the number of units with an activity above 0.01, and of every unit's KL to the prior."""

    def finish(rows: np.ndarray) -> dict:
        mean, log_variance = rows[:, 0], rows[:, 1]
        if bad := int((~np.isfinite(rows)).any((1, 2)).sum()):
            return no_number(f"the encoder gave numbers that are not finite for {bad} of {len(rows)} images")
        kl = kl_per_dimension(mean, log_variance)
        return {
            "value": float((activity(mean) > THRESHOLD).sum()),
            "spread": float(_resampled_counts(mean, np.random.default_rng(context.seed)).std()),
            "spread_kind": "bootstrap standard deviation over images",
            "units": mean.shape[1],
            "threshold": THRESHOLD,
            "kl": float(kl.sum()),
            "kl_per_dimension": [float(nats) for nats in kl],
        }

    return Collected(lambda batch: np.stack([batch.host(part) for part in batch.output], axis=1), finish)
