"""Path length in the chosen network's features, for use when `perceptual_path_length` lacks LPIPS's weights.

Numbers compare under one network only, and never with published numbers. The name contains the network.
"""

import jax
import numpy as np

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.feature_distance import cosine_distance
from jaxgen.metrics.perceptual_path_length import EPSILON as EPSILON
from jaxgen.metrics.perceptual_path_length import path_lengths

NEEDS = "path"
DIRECTION = "lower"
TITLE, UNIT = "feature path length", ""
MEANING = "How unevenly images change along a path between latents. Small is smooth."
SETTINGS = ("epsilon", "percentiles")
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
LABELLED = True  # no network is the canonical one for it


def start(context: Context) -> Collected:
    """An accumulator. The network sees float images, since whole grey levels would hide steps of 1e-4."""

    def distance(a: jax.Array, b: jax.Array) -> np.ndarray:
        features = (context.extract((images + 1) * 127.5)[0] for images in (a, b))
        return 2 * cosine_distance(*features)  # the squared distance of the features scaled to unit length each

    return path_lengths(distance, context, distance="squared Euclidean, features of unit length")
