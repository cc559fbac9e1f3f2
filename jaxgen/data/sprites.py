"""Squares, ellipses and hearts of known scale, orientation and place: images with known factors of variation.

The factors are those of dSprites (Matthey et al. 2017): 3 shapes, 6 scales, 40 orientations, 32 columns and 32 rows.
The images are made here and are not those of dSprites. There the first and the last orientation are the same angle.
Here the 40 orientations divide the full circle, and the angle of 360 degrees is left out.
"""

import functools

import numpy as np

from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

SHAPES = ("square", "ellipse", "heart")
SIDE = 64
# Names of the factors and numbers of their values, from the slowest to the fastest in the number of an image.
FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
COUNT = int(np.prod(list(FACTORS.values())))
# Orientations until a shape looks the same again: squares repeat after 90 degrees, ellipses after 180.
PERIODS = (10, 20, 40)
# What is known without the images, for --mode=plan.
EXAMPLES = {"side": SIDE, "channels": 1, "classes": 3}
_BOX = SIDE - FACTORS["x"] + 1  # a sprite's own square of pixels, with a pixel in the middle
_AT_ONCE = 10_000
_TEST_SHARE = 10


def load(config) -> Dataset:
    """A seeded choice of the 737,280 images, uint8 [N, 64, 64, 1] of 0 and 255. Labels are the shapes.

    The split "train" has `config.num_points` images, and "test" a tenth of them. No image is in both.

    Args:
      config: `config.data`. Reads `num_points` and `seed`.

    Raises:
      UserError: fewer images than a test split needs, or more than there are.
    """
    counts = {"train": config.num_points, "test": config.num_points // _TEST_SHARE}
    if config.num_points < _TEST_SHARE or sum(counts.values()) > COUNT:
        most = -(-COUNT * _TEST_SHARE // (_TEST_SHARE + 1))
        raise UserError(f"data.num_points={config.num_points}: sprites take from {_TEST_SHARE} to {most}")
    if config.seed < 0:
        raise UserError(f"data.seed={config.seed}: it must be 0 or more")
    chosen = np.random.default_rng(config.seed).permutation(COUNT)
    numbers = {"train": chosen[: counts["train"]], "test": chosen[counts["train"] :][: counts["test"]]}
    splits, factors = {}, {}
    for part in wanted_splits(config, counts):
        factors[part] = factors_of(numbers[part])
        splits[part] = Split(images_of(numbers[part]), factors[part]["shape"])
    info = {"source": "made by jaxgen.data.sprites", "num_points": config.num_points, "seed": config.seed}
    return Dataset("sprites", splits, SHAPES, info, factors=factors)


def factors_of(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """The values of the factors of images by their numbers [n] below `COUNT`: name -> int32 [n], from 0 on."""
    values = np.unravel_index(numbers, tuple(FACTORS.values()))
    return {name: value.astype(np.int32) for name, value in zip(FACTORS, values, strict=True)}


def images_of(numbers: np.ndarray) -> np.ndarray:
    """The images of such numbers, uint8 [n, 64, 64, 1]: 255 on the sprite, else 0."""
    images, box = np.zeros((len(numbers), SIDE, SIDE), np.uint8), np.arange(_BOX)
    for first in range(0, len(numbers), _AT_ONCE):
        shape, scale, orientation, x, y = factors_of(numbers[first : first + _AT_ONCE]).values()
        rows, columns = y[:, None, None] + box[:, None], x[:, None, None] + box
        each = first + np.arange(len(shape))[:, None, None]
        images[each, rows, columns] = _sprites()[shape, scale, orientation % np.array(PERIODS)[shape]]
    return images[..., None]


@functools.cache
def _sprites() -> np.ndarray:
    """Every shape, scale and orientation in its box, uint8 [3, 6, 40, box, box]. A pixel shows its centre."""
    across = np.arange(_BOX) - _BOX // 2
    scale = np.linspace(0.5, 1, FACTORS["scale"])[:, None, None, None]
    angle = (2 * np.pi * np.arange(FACTORS["orientation"]) / FACTORS["orientation"])[:, None, None]
    # The pixel's place in the sprite's own frame, turned and scaled. v points up.
    u = (across * np.cos(angle) - across[:, None] * np.sin(angle)) / scale
    v = -(across * np.sin(angle) + across[:, None] * np.cos(angle)) / scale
    square = np.maximum(abs(u), abs(v)) < 10.3
    ellipse = (u / 15.3) ** 2 + (v / 8.2) ** 2 < 1
    a, b = u / 11.6, v / 11.6 + 0.1
    heart = (a**2 + b**2 - 1) ** 3 < a**2 * b**3
    return 255 * np.stack([square, ellipse, heart]).astype(np.uint8)
