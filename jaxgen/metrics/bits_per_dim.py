"""Negative log-likelihood of real images in bits per dimension."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, of_output

NEEDS = "log_likelihood"
DIRECTION = "lower"
TITLE, UNIT = "bits/dim", "bits per dimension"
MEANING = "Bits per dimension that encode an unseen image under the model. A VAE gives an upper bound."
SETTINGS = ("pixels", "discrete", "samples", "dimensions")
MIN_SAMPLES = 1
EXTRACTOR = None


def bits_per_dim(nats: np.ndarray, dimensions: int, scale_nats_per_dim: float = 0.0) -> np.ndarray:
    """-(nats / dimensions + scale_nats_per_dim) / ln 2 of log-likelihoods in nats [N], float64.

    Args:
      dimensions: H * W * C.
      scale_nats_per_dim: converts to a density, or probability, of grey levels 0 to 255. A density p(y) of scaled
        values y = x / s has p(x) = p(y) / s, so the term is -log(s). It is -log(127.5) for images in [-1, 1],
        -log(255) for images in [0, 1], and 0 for a probability of discrete levels.
    """
    return -(np.asarray(nats, np.float64) / dimensions + scale_nats_per_dim) / np.log(2)


def start(context: Context) -> Collected:
    """An accumulator of the mean. Its record repeats the facts in `context.info["log_likelihood"]`.

    dimensions: dimensions of an image. bound: the kind of log-likelihood, such as "ELBO". discrete: True for a
    probability of grey levels, False for a density. Bits of densities compare with bits of densities only. samples:
    samples of the bound, if it has any. scale_nats_per_dim: see `bits_per_dim`. The default is 0.
    """
    facts = {"scale_nats_per_dim": 0.0, **context.info["log_likelihood"]}
    if missing := {"dimensions", "bound", "discrete"} - facts.keys():
        raise ValueError(f'info["log_likelihood"] does not say {", ".join(sorted(missing))}')

    def finish(nats: np.ndarray) -> dict:
        bits = bits_per_dim(nats, facts["dimensions"], facts["scale_nats_per_dim"])
        return {
            "value": float(bits.mean()),
            "spread": float(bits.std() / np.sqrt(len(bits))) if np.isfinite(bits).all() else None,
            "spread_kind": "standard error over images",
            "nats_per_image": float(nats.astype(np.float64).mean()),
            **facts,
        }

    return of_output(finish)
