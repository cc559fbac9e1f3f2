"""The loaders on real data, where it lies beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from jaxgen.data.base import open_dataset

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def real(data_config):
    """real(file, **config) -> the dataset; skips where the file is missing."""

    def make(file, **config):
        if not (DATA / file).exists():
            pytest.skip(f"needs ../shared/data/{file}")
        return open_dataset(data_config(dir=DATA / file, labels=True, **config), progress=False)

    return make


def test_all_of_mnist(real):
    dataset = real("mnist", name="mnist")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert train.images.shape == (60000, 28, 28, 1)
    assert test.images.shape == (10000, 28, 28, 1)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # Widely published statistics of the training set.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


@pytest.mark.full
def test_cifar10_as_a_zip_of_folders(real):
    dataset = real("cifar10_jpeg.zip", name="folder", limit=500)
    assert dataset.class_names[0] == "airplane"
    for split in dataset.splits.values():
        assert split.images.shape == (500, 32, 32, 3)
        assert np.bincount(split.labels).tolist() == [50] * 10


def test_chest_x_rays(real):
    dataset = real("covid_xray_256.zip", name="folder", image_size=64)
    assert dataset.class_names == ("Covid-19", "No_findings", "Pneumonia")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert len(train.images) + len(test.images) == 1124
    assert train.images.shape[1:] == (64, 64, 1)
    assert np.bincount(test.labels).tolist() == [12, 50, 50]
