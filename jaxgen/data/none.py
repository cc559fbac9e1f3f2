"""No images: the data of a network that was converted without any, enough to sample from it.

`data.image_size`, `data.channels` and `data.num_classes` say what the network makes.
"""

import numpy as np

from jaxgen.data.base import Dataset, Split
from jaxgen.errors import UserError

EMPTY = True  # open_dataset takes it as it is


def load(config) -> Dataset:
    """Splits of 0 images with their shape and the classes' names, their numbers."""
    if config.image_size < 1 or config.channels not in (1, 3):
        raise UserError("data.name='none': data.image_size and data.channels must say what the network makes")
    images = np.zeros((0, config.image_size, config.image_size, config.channels), np.uint8)
    labels = np.zeros(0, np.int32) if config.num_classes else None
    names = tuple(str(i) for i in range(config.num_classes))
    splits = {name: Split(images, labels) for name in (config.train_split, config.test_split)}
    return Dataset("none", splits, names, {"files": []})
