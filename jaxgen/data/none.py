"""No images. This is the data of a network that was converted without data, enough for sampling.

`data.image_size`, `data.channels` and `data.num_classes` describe the network's images.
"""

import numpy as np

from jaxgen.data.base import Dataset, Split
from jaxgen.errors import UserError

EMPTY = True  # open_dataset takes it as it is


def load(config) -> Dataset:
    """Splits of 0 images with a shape and class names, which are the class numbers.

    Raises:
      UserError: the config does not describe the network's images.
    """
    if config.image_size < 1 or config.channels not in (1, 3):
        raise UserError("data.name='none': set data.image_size and data.channels to the network's image shape")
    return empty((config.image_size, config.image_size, config.channels), config.num_classes, config)


def empty(shape: tuple[int, ...], num_classes: int, config) -> Dataset:
    """Splits of 0 images [0, H, W, C] or vectors [0, D], by the names in `config.data`. 0 classes give no labels."""
    labels = np.zeros(0, np.int32) if num_classes else None
    split = Split(np.zeros((0, *shape), np.uint8 if len(shape) == 3 else np.float32), labels)
    names = tuple(str(i) for i in range(num_classes))
    return Dataset("none", dict.fromkeys((config.train_split, config.test_split), split), names, {"files": []})
