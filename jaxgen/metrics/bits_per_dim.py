"""Negative log-likelihood of real images in bits per dimension."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, of_output

NEEDS = "log_likelihood"
DIRECTION = "lower"
TITLE, UNIT = "bits/dim", "bits per dimension"
MEANING = "What it costs to encode an unseen image under the model. A bound for a VAE."
SETTINGS = ("pixels", "discrete", "samples", "dimensions")
MIN_SAMPLES = 1
EXTRACTOR = None


def bits_per_dim(nats: np.ndarray, dimensions: int, scale_nats_per_dim: float = 0.0) -> np.ndarray:
    """-(nats / dimensions + scale_nats_per_dim) / ln 2 of log-likelihoods in nats [N], float64.

    Args:
      dimensions: H * W * C.
      scale_nats_per_dim: what to add so that the unit is a density, or probability, of grey levels 0 to 255. A density
        p(y) of scaled values y = x / s has p(x) = p(y) / s: -log(s), so -log(127.5) for images in [-1, 1] and
        -log(255) in [0, 1], 0 for a probability of discrete levels.
    """
    return -(np.asarray(nats, np.float64) / dimensions + scale_nats_per_dim) / np.log(2)


def start(context: Context) -> Collected:
    """An accumulator of the mean, which repeats what `context.info["log_likelihood"]` says of the number.

    dimensions: of an image. bound: what the log-likelihood is, such as "ELBO". discrete: True for a probability of
    grey levels, False for a density, whose bits compare with those of densities only. samples: of the bound, if it
    takes any. scale_nats_per_dim: see `bits_per_dim`. Left out, it is 0.
    """
    facts = {"scale_nats_per_dim": 0.0, **context.info["log_likelihood"]}
    if missing := {"dimensions", "bound", "discrete"} - facts.keys():
        raise ValueError(f'info["log_likelihood"] does not say {", ".join(sorted(missing))}')

    def finish(nats: np.ndarray) -> dict:
        bits = bits_per_dim(nats, facts["dimensions"], facts["scale_nats_per_dim"])
        return {
            "value": float(bits.mean()),
            "spread": float(bits.std() / np.sqrt(len(bits))),
            "spread_kind": "standard error over images",
            "nats_per_image": float(nats.astype(np.float64).mean()),
            **facts,
        }

    return of_output(finish)
