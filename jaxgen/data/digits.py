"""The 1,797 handwritten 8x8 digits inside scikit-learn: no file, no network."""

import numpy as np

from jaxgen.data.base import Dataset, Split, wanted_splits


def load(config) -> Dataset:
    """Images uint8 [N, 8, 8, 1] with the original values 0 to 16 scaled to 0 to 255, in splits "train" and "test".

    The file is ordered by writer. Its first 80% are the training set. The rest comes from other writers and is the
    test set.
    """
    # Imported here: scikit-learn takes a second to load, and most runs read other data.
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int32)
    border = len(images) * 8 // 10
    parts = {"train": slice(0, border), "test": slice(border, None)}
    splits = {name: Split(images[parts[name]], labels[parts[name]]) for name in wanted_splits(config, parts)}
    return Dataset("digits", splits, tuple("0123456789"), {"source": "sklearn.datasets.load_digits"})
