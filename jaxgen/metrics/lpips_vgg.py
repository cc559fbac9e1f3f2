"""LPIPS of pairs on VGG16 (Zhang et al. 2018, eq. 1): how different a copy looks from its original."""

import numpy as np

from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.collected import Collected, mean_and_deviation
from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.metrics.extractors.lpips import as_network_input, unsuitable_for

NEEDS = "reconstruct"
DIRECTION = "lower"
TITLE, UNIT = "LPIPS (VGG16)", ""
MEANING = "How different a copy looks from its original, as a network sees them (0: the same)."
SETTINGS = ("network",)
MIN_SAMPLES = 1
EXTRACTOR = None


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """Why images [H, W, C] have no LPIPS here: too small, neither gray nor RGB, or weights that cannot be had."""
    return unsuitable_for(lpips_vgg.SOURCES, lpips_vgg.MIN_SIDE, image_shape)


def start(context: Context) -> Collected:
    """An accumulator of the mean distance over pairs."""
    network = lpips_vgg.load()

    def distances(batch: OutputBatch) -> np.ndarray:
        a, b = (as_network_input(images) for images in (batch.real, batch.fake))
        return batch.host(network.distance(a, b))

    def finish(values: np.ndarray) -> dict:
        return {**mean_and_deviation(values), "network": network.name}

    return Collected(distances, finish)
