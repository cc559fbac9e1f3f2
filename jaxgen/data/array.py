"""Images in NumPy files. They are copied into memory, or read row by row if they are too large for it.

`data.dir` is a file `.npy` of uint8 [N, H, W, C] or [N, H, W]. Labels are optional whole numbers [N] in
`NAME_labels.npy` beside it. The last `test_fraction` of the rows is the split "test". `data.dir` may also be a folder
with `train.npy` and `test.npy` (and `train_labels.npy`, `test_labels.npy`).
"""

from pathlib import Path

import numpy as np

from jaxgen.data import folder
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.data.image_files import StreamedArray
from jaxgen.errors import UserError

_SPLITS = ("train", "test")


def load(config) -> Dataset:
    """Splits "train" and "test", copied into memory."""
    name, class_names, parts = _opened(config)
    splits = {}
    for split, (array, numbers, labels) in parts.items():
        rows = array[numbers[0] : numbers[-1] + 1]
        splits[split] = Split(np.array(rows).reshape(*rows.shape[:3], -1), labels)
    return Dataset(name, splits, class_names, {})


def streamed(config):
    """The splits as arrays that stay in their files, see `jaxgen.data.base.open_dataset`."""
    name, class_names, parts = _opened(config)
    splits = {split: (StreamedArray(array, rows, config), labels) for split, (array, rows, labels) in parts.items()}
    return name, class_names, splits


def _opened(config):
    """Name, class names, {split: (mapped array, numbers of the rows, labels)} of the splits that the config names."""
    path = folder.existing(config, "array", "a file .npy of images, or a folder with train.npy and test.npy")
    files = {split: path / f"{split}.npy" for split in _SPLITS} if path.is_dir() else {"": path}
    if path.is_dir() and not files["train"].exists():
        raise UserError(f"data.dir={config.dir!r}: data.name=array needs train.npy (and test.npy) in it")
    arrays = {split: (_mapped(file), _labels(file)) for split, file in files.items() if file.exists()}
    if not path.is_dir():
        arrays = _carved(*arrays[""], config.test_fraction)
    parts, classes = {}, 0
    for split, (array, labels, *rows) in arrays.items():
        numbers = rows[0] if rows else np.arange(len(array))
        numbers = numbers[: config.limit or None]
        if labels is not None:
            classes = max(classes, int(labels.max()) + 1)
            labels = labels[numbers].astype(np.int32)
        parts[split] = array, numbers, labels
    wanted = {split: parts[split] for split in wanted_splits(config, parts)}
    return path.stem, tuple(str(i) for i in range(classes)), wanted


def _carved(array, labels, test_fraction: float) -> dict:
    held = max(1, round(len(array) * test_fraction)) if test_fraction and len(array) > 1 else 0
    numbers = np.arange(len(array))
    splits = {"train": (array, labels, numbers[: len(array) - held])}
    return splits | ({"test": (array, labels, numbers[len(array) - held :])} if held else {})


def _mapped(file: Path) -> np.ndarray:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UserError(f"{file} is damaged or no .npy file ({error})") from None
    if (
        array.dtype != np.uint8
        or array.ndim not in (3, 4)
        or 0 in array.shape
        or array.shape[3:] not in ((), (1,), (3,))
    ):
        raise UserError(
            f"{file} holds {array.dtype} {list(array.shape)}. Images must be uint8 [N, H, W, C] with C 1 or 3, or "
            "[N, H, W]"
        )
    return array


def _labels(file: Path) -> np.ndarray | None:
    path = file.with_name(f"{file.stem}_labels.npy")
    if not path.exists():
        return None
    labels = np.load(path, allow_pickle=False)
    count = len(_mapped(file))
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise UserError(f"{path} holds {labels.dtype} {list(labels.shape)}. It must hold {count} whole numbers from 0")
    return labels
