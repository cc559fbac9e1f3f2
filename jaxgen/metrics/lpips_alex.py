"""LPIPS of pairs on AlexNet (Zhang et al. 2018, eq. 1): how different a copy looks from its original."""

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.extractors import lpips_alex
from jaxgen.metrics.extractors.lpips import unsuitable_for
from jaxgen.metrics.lpips_pairs import mean_distance

NEEDS = "reconstruct"
DIRECTION = "lower"
TITLE, UNIT = "LPIPS (AlexNet)", ""
MEANING = "How different a copy looks from its original, as a network sees them (0: the same)."
SETTINGS = ("network",)
MIN_SAMPLES = 1
EXTRACTOR = None


def unsuitable(image_shape: tuple[int, ...]) -> str | None:
    """Why images [H, W, C] have no LPIPS here: too small, neither gray nor RGB, or weights that cannot be had."""
    return unsuitable_for(lpips_alex.SOURCES, lpips_alex.MIN_SIDE, image_shape)


def start(context: Context) -> Collected:
    """An accumulator of the mean distance over pairs."""
    return mean_distance(lpips_alex.load())
