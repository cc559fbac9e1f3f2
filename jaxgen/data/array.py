"""Images in NumPy files. They are copied into memory, or read row by row if they are too large for it.

`data.dir` is a file `.npy` of uint8 [N, H, W, C] or [N, H, W]. Labels are optional whole numbers [N] in
`NAME_labels.npy` beside it. The last `test_fraction` of the rows is the split "test". `data.dir` may also be a folder
with `train.npy` and `test.npy` (and `train_labels.npy`, `test_labels.npy`).
"""

from pathlib import Path

import numpy as np

from jaxgen.data import folder, npy_file
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.data.class_numbers import labels_of
from jaxgen.data.container import shown
from jaxgen.data.image_files import StreamedArray
from jaxgen.data.layouts import held_out
from jaxgen.errors import UserError

_SPLITS = ("train", "test")


def load(config) -> Dataset:
    """Splits "train" and "test", copied into memory."""
    name, class_names, parts, left_out = _opened(config)
    splits = {}
    for split, (array, numbers, labels) in parts.items():
        rows = array[numbers[0] : numbers[-1] + 1]
        splits[split] = Split(np.array(rows).reshape(*rows.shape[:3], -1), labels)
    return Dataset(name, splits, class_names, {"left_out": left_out})


def streamed(config):
    """The splits as arrays that stay in their files, see `jaxgen.data.base.open_dataset`."""
    name, class_names, parts, left_out = _opened(config)
    splits = {split: (StreamedArray(array, rows, config), labels) for split, (array, rows, labels) in parts.items()}
    return name, class_names, splits, {"left_out": left_out}


def _opened(config):
    """Name, class names, {split: (mapped array, numbers of the rows, labels)} of the chosen splits, left-out files."""
    path = folder.existing(config, "array", "a file .npy of images, or a folder with train.npy and test.npy")
    files = {split: path / f"{split}.npy" for split in _SPLITS} if path.is_dir() else {"": path}
    if path.is_dir() and not files["train"].exists():
        raise UserError(f"data.dir={config.dir!r}: data.name=array needs train.npy (and test.npy) in it")
    arrays = {}
    for split, file in files.items():
        if file.exists():
            array = _mapped(file)
            arrays[split] = array, _labels(file, len(array))
    if not path.is_dir():
        arrays = _carved(*arrays[""], config.test_fraction)
    parts, names = {}, ()
    for split, (array, labelled, *rows) in arrays.items():
        numbers = rows[0] if rows else np.arange(len(array))
        numbers = numbers[: config.limit or None]
        labels = None
        if labelled is not None:
            labels, names = labelled[0][numbers], max(names, labelled[1], key=len)
        parts[split] = array, numbers, labels
    wanted = {split: parts[split] for split in wanted_splits(config, parts)}
    return path.stem, names, wanted, _left_out(path) if path.is_dir() else {}


def _left_out(folder_path: Path) -> dict[str, int]:
    """Files of the folder that are no splits, by name: a misspelt file of labels is among them."""
    read = {f"{split}{end}.npy" for split in _SPLITS for end in ("", "_labels")}
    return {shown(file.name): 1 for file in sorted(folder_path.iterdir()) if file.name not in read}


def _carved(array, labelled, test_fraction: float) -> dict:
    held = held_out(len(array), test_fraction)
    numbers = np.arange(len(array))
    splits = {"train": (array, labelled, numbers[: len(array) - held])}
    return splits | ({"test": (array, labelled, numbers[len(array) - held :])} if held else {})


def _mapped(file: Path) -> np.ndarray:
    array = npy_file.read(file, mapped=True)
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


def _labels(file: Path, count: int) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Labels and class names, if there is a file of labels beside the images."""
    path = file.with_name(f"{file.stem}_labels.npy")
    return labels_of(npy_file.read(path), count, str(path)) if path.exists() else None
