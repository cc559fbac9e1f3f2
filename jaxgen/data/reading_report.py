"""Says in one or two lines what was read: images of each split, classes, size, and what was left out or looks wrong."""

from collections.abc import Iterable, Mapping

import numpy as np

# More classes than these are told by their number and their sizes.
_MOST_NAMED = 8
_MOST_KINDS = 6
# The usual numbers of bits in files with 16 bits a value.
_USUAL_BITS = (8, 10, 12, 14, 15)


def merged(notes: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Notes of several splits as notes of all: counts are added, and of the largest values the largest counts."""
    total: dict[str, int] = {}
    for part in notes:
        for name, number in part.items():
            total[name] = max(total.get(name, 0), number) if name == "largest" else total.get(name, 0) + number
    return total


def summary(dataset) -> str:
    """The line on a data set: splits with their classes, the size of an example, and what was left out."""
    parts = []
    for name, (examples, labels) in dataset.splits.items():
        noun = "rows" if len(examples.shape) == 2 else "images"
        parts.append(f"{name} {len(examples):,} {noun}{classes_of(labels, dataset.class_names)}")
    parts.append(dataset.info.get("kinds") or kind_of(examples.shape))
    return f"{dataset.name}: {', '.join(parts)}{left_out_of(dataset.info.get('left_out', {}))}"


def kind_of(shape: tuple[int, ...]) -> str:
    """The size of an example: "32x24 gray", or "5 columns"."""
    if len(shape) == 2:
        return f"{shape[1]} columns"
    return f"{shape[2]}x{shape[1]} {'gray' if shape[3] == 1 else 'RGB'}"


def classes_of(labels: np.ndarray | None, names: tuple[str, ...]) -> str:
    """The classes with their counts in brackets. Of many classes the number and the smallest and largest count."""
    if labels is None or not names:
        return ""
    counts = np.bincount(labels, minlength=len(names))
    empty = f", {np.sum(counts == 0):,} of them without any" if not counts.all() else ""
    if len(names) <= _MOST_NAMED:
        return f" ({', '.join(f'{name} {count:,}' for name, count in zip(names, counts, strict=True))})"
    some = counts[counts > 0]
    return f" ({len(names):,} classes of {some.min():,} to {some.max():,}{empty})"


def left_out_of(counts: Mapping[str, int]) -> str:
    """A sentence on left-out files, "" if there are none."""
    if not counts:
        return ""
    shown = [f"{count:,} {kind}" for kind, count in list(counts.items())[:_MOST_KINDS]]
    rest = sum(list(counts.values())[_MOST_KINDS:])
    return f". Left out: {', '.join(shown + ([f'{rest:,} more'] if rest else []))}"


def warnings_of(info: Mapping, name: str) -> list[str]:
    """Lines on images that are missing or read otherwise than one may think."""
    lines, notes = [], info.get("notes", {})
    if skipped := info.get("skipped"):
        lines.append(f"{name} without {len(skipped)} unreadable images ({', '.join(skipped[:3])})")
    if several := notes.get("several"):
        lines.append(f"{name}: {several:,} files hold several frames or pages. The first of each is read")
    if line := dark_line(notes):
        lines.append(f"{name}: {line}")
    return lines


def dark_line(notes: Mapping[str, int]) -> str:
    """The line on images with 16 bits a value that use the lower half of the range at most. "" if there are none."""
    count, largest = notes.get("deep", 0), notes.get("largest", 0)
    bits = next((bits for bits in _USUAL_BITS if largest < 2**bits), 16)
    if not count or bits == 16:
        return ""
    return (
        f"the largest value of {count:,} images with 16 bits is {largest:,} of 65,535, so they become dark: at most "
        f"{round(largest / 257)} of 255. If white is {2**bits - 1:,} ({bits} bits), multiply the values by "
        f"{2 ** (16 - bits)} and save the files again"
    )
