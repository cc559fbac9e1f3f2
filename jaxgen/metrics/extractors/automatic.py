"""The network behind `extractor="auto"`: the FID Inception if its weights can be had, else EfficientNet-Lite0."""

import logging
from typing import NamedTuple

from jaxgen.metrics.extractors import inception_weights
from jaxgen.metrics.extractors.weights import NoWeights, local_source, obtain

log = logging.getLogger(__name__)
AUTO = "auto"


class Choice(NamedTuple):
    """name: of the network. reason: one line that says what was chosen, and why."""

    name: str
    reason: str


def choose(resize: str = "", weights: str = "") -> Choice:
    """The network that is possible on this machine. Missing weights are fetched, or given up after a few seconds.

    Args:
      resize, weights: an input path and a file of weights. Only Inception has a choice of them, so they decide.
    """
    if resize or weights:
        return Choice("inception", "the feature network is inception, whose input path or weights the config names")
    known = inception_weights.WEIGHTS
    if local_source(known) is None:
        log.info("evaluation: looking for the weights of %s, 81 to 91 MB, once. Numbers then say FID", known.network)
    try:
        obtain(known)
    except NoWeights as error:
        return fallback(f"no weights of it could be had ({error.tried})")
    return Choice("inception", "the feature network is inception, so that a Frechet distance is the FID")


def fallback(reason: str) -> Choice:
    """EfficientNet-Lite0, whose weights come with jaxgen. reason: why it is not Inception."""
    return Choice(
        "efficientnet_lite0",
        f"the feature network is efficientnet_lite0 and not inception: {reason}. The numbers carry its name, and none "
        "is a FID. `python -m jaxgen.weights --fetch inception` fetches the weights for a new run",
    )
