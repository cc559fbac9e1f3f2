import numpy as np
from sklearn.datasets import load_digits

from jaxgen.data.base import open_dataset


def test_digits_are_the_sklearn_ones_scaled_and_split_by_writer(data_config):
    dataset = open_dataset(data_config(labels=True), progress=False)
    raw = load_digits()
    images = np.concatenate([dataset.splits[s].images for s in ("train", "test")])
    labels = np.concatenate([dataset.splits[s].labels for s in ("train", "test")])
    assert len(dataset.splits["train"].images) == 1437
    assert images.shape == (1797, 8, 8, 1)
    assert images.max() == 255
    np.testing.assert_allclose(images[..., 0] / 255 * 16, raw.images, atol=0.5 / 255 * 16 + 1e-9)
    np.testing.assert_array_equal(labels, raw.target)
