"""SVHN, house numbers cut to one digit, 73,257 + 26,032, 32x32 RGB, from train_32x32.mat and test_32x32.mat."""

from pathlib import Path

import numpy as np

from jaxgen.data import download, mat
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

# "extra" is 1.3 GB: it is read, and downloaded, only by a config that names it.
_SPLITS = ("train", "test", "extra")
# What is known without the files, for --mode=plan.
EXAMPLES = {"side": 32, "channels": 3, "classes": 10, "train": 73_257, "test": 26_032, "extra": 531_131}


def files(config) -> list[Path]:
    """The .mat files of the splits that the config names."""
    archives = download.published("datasets/svhn_cropped/checksums.tsv")
    return [download.locate(config, archives[f"{split}_32x32.mat"]) for split in wanted_splits(config, _SPLITS)]


def load(config) -> Dataset:
    """Images uint8 [N, 32, 32, 3] in splits "train", "test" and "extra". The label is the digit."""
    pairs = zip(wanted_splits(config, _SPLITS), files(config), strict=True)
    return Dataset("svhn_cropped", {split: _read(path) for split, path in pairs}, tuple("0123456789"), {})


def _read(path: Path) -> Split:
    content = mat.read(path)
    if missing := {"X", "y"} - set(content):
        raise UserError(f"{path} lacks {' and '.join(sorted(missing))}. It must be SVHN's format 2 (cropped digits)")
    images, labels = content["X"], content["y"].ravel()
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        raise UserError(f"{path}: X is {images.dtype} {list(images.shape)}. SVHN has uint8 [32, 32, 3, N]")
    if not len(labels):
        raise UserError(f"{path} holds no images")
    if len(labels) != images.shape[3]:
        raise UserError(f"{path} holds {images.shape[3]} images but {len(labels)} labels")
    if not (labels.min() >= 1 and labels.max() <= 10 and (labels == np.floor(labels)).all()):
        raise UserError(f"{path} holds labels from {labels.min()} to {labels.max()}. SVHN has 1 to 10")
    # The file writes the digit 0 as class 10.
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels.astype(np.int32) % 10)
