"""Tells from the names of folders which of them are splits, such as `train`, `Testing` or `validation set`."""

import functools
import re
from collections.abc import Iterable

# The name of a split by its word. `val`, `valid` and `validation` stay apart, because configs name them.
_WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "valid",
    "validation": "validation",
    "eval": "evaluation",
    "evaluation": "evaluation",
}
ORDER = tuple(dict.fromkeys(_WORDS.values()))
# Words that say nothing of the content.
_FILLERS = {
    *("data", "dataset", "example", "examples", "file", "files", "folder", "image", "images", "img", "imgs"),
    *("photo", "photos", "picture", "pictures", "sample", "samples", "set", "sets", "split"),
}


@functools.lru_cache(maxsize=100_000)
def split_of(folder: str) -> str | None:
    """The split that a folder's name means, in any case and usual spelling. None: the name is no split's."""
    split, rest = _split_and_rest(folder)
    return split if not any(word.isalpha() for word in rest) else None


def splits_among(folders: Iterable[str]) -> dict[str, str]:
    """The folders of one place that are splits, with the split of each. `valid` beside `invalid` is a class."""
    folders = list(folders)
    found = {folder: split for folder in folders if (split := split_of(folder))}
    if any(folder.lower() == "invalid" for folder in folders):
        found = {folder: split for folder, split in found.items() if split != "valid"}
    return found


def alike_but_for_split(folders: Iterable[str]) -> tuple[str, str] | None:
    """Two folders such as `trainA` and `testA`, which differ in the word of a split alone."""
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for folder in sorted(folders):
        split, rest = _split_and_rest(folder)
        if split is None or not rest:
            continue
        other_split, other = seen.setdefault(rest, (split, folder))
        if other_split != split:
            return other, folder
    return None


def _split_and_rest(folder: str) -> tuple[str | None, tuple[str, ...]]:
    """The only split that a name's words mean, and the other words. Numbers count as words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder)
    words = re.findall(r"[^\W\d_]+|\d+", apart.lower())
    splits = [split for word in words if (split := _meaning(word))]
    rest = tuple(word for word in words if not _meaning(word) and word not in _FILLERS)
    return (splits[0] if len(splits) == 1 else None), rest


def _meaning(word: str) -> str | None:
    """The split that a single word means, such as `train` or `trainingset`."""
    for start, split in _WORDS.items():
        if word.startswith(start) and word.removeprefix(start) in {"", *_FILLERS}:
            return split
    return None
