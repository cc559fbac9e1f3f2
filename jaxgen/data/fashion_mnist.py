"""Fashion-MNIST, 60,000 + 10,000 pictures of clothes, 28x28 gray, from its four IDX files."""

from pathlib import Path

from jaxgen.data import idx
from jaxgen.data.base import Dataset

_LISTING = "url_checksums/fashion_mnist.txt"
# What is known without the files, for --mode=plan.
EXAMPLES = {"side": 28, "channels": 1, "classes": 10, "train": 60_000, "test": 10_000}
_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def files(config) -> list[Path]:
    """The IDX files that `load` reads."""
    return [path for pair in idx.files(config, _LISTING).values() for path in pair]


def load(config) -> Dataset:
    """Images uint8 [N, 28, 28, 1] in splits "train" and "test"."""
    return idx.dataset(config, _LISTING, _CLASSES)
