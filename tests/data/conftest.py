import ml_collections
import numpy as np
import pytest
from PIL import Image

_DEFAULTS = {
    "name": "digits",
    "dir": "",
    "image_size": 0,
    "channels": 0,
    "crop": "center",
    "resize": "lanczos",
    "train_split": "train",
    "test_split": "test",
    "test_fraction": 0.1,
    "limit": 0,
    "train_limit": 0,
    "streaming": "auto",
    "resident_mib": 4096,
    "workers": 0,
    "download": False,
    "skip_bad_images": False,
    "labels": False,
    "flip": False,
}


@pytest.fixture
def data_config(tmp_path_factory):
    """data_config(**changes) -> `config.data` with a cache folder of the test's own."""
    cache = tmp_path_factory.mktemp("cache")

    def make(**changes):
        changes = {key: str(value) if key == "dir" else value for key, value in changes.items()}
        config = ml_collections.ConfigDict({**_DEFAULTS, "cache_dir": str(cache), "progress": False, **changes})
        return config.lock()

    return make


@pytest.fixture
def save_image():
    """save_image(path, value, size=(8, 8), mode="L"): a one-coloured image file."""

    def save(path, value, size=(8, 8), mode="L"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value).save(path)
        return path

    return save


@pytest.fixture
def random_images():
    """random_images(shape, seed=0) -> uint8 array."""
    return lambda shape, seed=0: np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
