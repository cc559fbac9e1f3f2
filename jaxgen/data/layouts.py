"""Finds splits and classes of images from the folders that they lie in.

If a single folder holds all images, that folder counts. Layouts, in the order of the search:

- `dataset.json` with {"labels": [["00000/img00000000.png", 6], ...]} or {"labels": null}, as StyleGAN's tools write it.
- Split folders (`jaxgen.data.split_folders`), each with class folders, plain images or a dataset.json.
- Class folders, with images at any depth. Labels follow the sorted names of the classes.
- Plain images, without labels.

Without split folders (or with `train` alone), the last `test_fraction` of each class, by path, is the test set.
Neighbouring names often show the same subject. A block separates fewer such images than a random choice would.
Images of a split are interleaved by class: each beginning of a split has the class proportions of the whole split.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from jaxgen.data import dataset_json
from jaxgen.data.container import Container, shown
from jaxgen.data.image_formats import is_image, suffix_of
from jaxgen.data.split_folders import ORDER, alike_but_for_split, split_of, splits_among
from jaxgen.errors import UserError

Entry = tuple[str, str | None]


class Listing(NamedTuple):
    """Image paths and their class names (None: unlabelled) by split.

    left_out: how many files of which kind are no images of the listing, such as {".txt": 2}.
    """

    splits: dict[str, list[Entry]]
    class_names: tuple[str, ...]
    left_out: Mapping[str, int] = {}


def list_images(container: Container, test_fraction: float, where: str) -> Listing:
    """The images of each split and their classes, by the layouts above.

    Raises:
      UserError: no images, or an ambiguous layout.
    """
    images = [name for name in container.names if is_image(name)]
    if not images:
        raise UserError(none_in(container, where))
    listing, used = _listed(container, images, test_fraction, where)
    unread = {f"{shown(name)} (not above all images)": 1 for name in dataset_json.others(container, used)}
    left_out = {**left_out_of(container, {*images, *used, *dataset_json.others(container, used)}), **unread}
    return listing._replace(left_out={**left_out, **listing.left_out})


def left_out_of(container: Container, used: set[str]) -> dict[str, int]:
    """How many files of the container were not used, by ending, the most frequent first."""
    counts = Counter(suffix_of(name) or "without an ending" for name in container.names if name not in used)
    return {**dict(counts.most_common()), **container.left_out}


def none_in(container: Container, where: str) -> str:
    """The message for a container without images, with what it holds."""
    held = ", ".join(f"{count:,} {kind}" for kind, count in left_out_of(container, set()).items())
    return f"{where} holds no images of a format that Pillow reads, such as .png or .jpg. It holds {held or 'nothing'}"


def _listed(container: Container, images: list[str], test_fraction: float, where: str) -> tuple[Listing, set[str]]:
    """The listing, and the files that gave the labels."""
    root = _common_root(images)
    inner = [name[len(root) :] for name in images]
    tops = {name.split("/")[0] for name in inner if "/" in name}
    loose = sum("/" not in name for name in inner)
    split = split_of(PurePosixPath(root).name)
    if split is None and (named := splits_among(tops)) and len(named) == len(tops) and not loose and len(tops) > 1:
        return _in_split_folders(container, images, root, named, where)
    if split is None:
        _refuse_splits_elsewhere(inner, tops, loose, f"{where}: {shown(root)}" if root else where)
    labelled, names, used, left_out = _labelled(container, images, root, where)
    if split not in (None, "train"):  # It was stepped into: these images are that split and no other.
        return Listing({split: interleave(labelled)}, names, left_out), used
    return carve(labelled, names, test_fraction)._replace(left_out=left_out), used


def _in_split_folders(
    container: Container, images: list[str], root: str, named: dict[str, str], where: str
) -> tuple[Listing, set[str]]:
    splits, known, used, left_out = {}, {}, set(), {}
    for top in sorted(named, key=lambda top: (ORDER.index(named[top]), top)):
        if (split := named[top]) in splits:
            same = " and ".join(shown(other) for other in sorted(named) if named[other] == split)
            raise UserError(f"{where}: the folders {same} both are the split {split}. Put their images into one")
        base = f"{root}{top}/"
        inside = [name for name in images if name.startswith(base)]
        splits[split], known[split], files, unused = _labelled(container, inside, base, where)
        used |= files
        left_out |= unused
    return _checked_splits(splits, known, where)._replace(left_out=left_out), used


def _labelled(
    container: Container, images: list[str], root: str, where: str
) -> tuple[list[Entry], tuple[str, ...], set[str], dict[str, int]]:
    """Images with classes, class names, the dataset.json that gave them, and how many of its entries had no image."""
    path = dataset_json.nearest(container, images)
    if path is None:
        labelled = _classes(images, root, where)
        return labelled, _names(labelled), set(), {}
    labelled, names, absent = dataset_json.read(container, path, images, where)
    return labelled, names, {path}, {f"entries of {shown(path)} without a file": absent} if absent else {}


def _refuse_splits_elsewhere(inner: list[str], tops: set[str], loose: int, where: str) -> None:
    """Refuses folders of splits that are not the outermost ones: test images would be trained on."""
    if named := splits_among(tops):
        rest = sorted(shown(top) for top in tops if top not in named) + (["loose images"] if loose else [])
        if rest:
            raise UserError(
                f"{where} has split folders ({', '.join(shown(top) for top in sorted(named))}) and also "
                f"{', '.join(rest[:5])}. Move the latter out, or rename a folder that is no split"
            )
    if pair := alike_but_for_split(tops):
        raise UserError(
            f"{where} has the folders {shown(pair[0])} and {shown(pair[1])}, which look like splits of one class. "
            "Put class folders into folders train and test, or rename them"
        )
    found: dict[str | None, str] = {}
    for place in sorted({name.rpartition("/")[0] for name in inner}):
        parents = place.split("/")
        depth = next((i for i, part in enumerate(parents) if i and split_of(part)), None)
        split = None if depth is None else split_of(parents[depth])
        found.setdefault(split, place if depth is None else "/".join(parents[: depth + 1]))
    if len(found) > 1:
        places = ", ".join(sorted(shown(place) or "the top" for place in found.values())[:4])
        raise UserError(
            f"{where} has split folders inside other folders ({places}). "
            "Put the split folders on top, such as train/cat and test/cat"
        )


def _common_root(images: list[str]) -> str:
    """The folder that holds all images, "" or ending in "/", at most down to a split folder."""
    parts = [PurePosixPath(name).parent.parts for name in (images[0], images[-1])]
    common = []
    for first, last in zip(*parts, strict=False):  # Sorted, so what the outermost two share all share.
        if first != last:
            break
        common.append(first)
        if split_of(first):  # What lies below are its classes, be it a single one.
            break
    return "".join(f"{part}/" for part in common)


def _classes(images: list[str], root: str, where: str) -> list[Entry]:
    """Images below `root` with the subfolder they lie in as their class; None for all if there are no subfolders."""
    inner = [name[len(root) :] for name in images]
    outside = [name for name in inner if "/" not in name]
    if outside and len(outside) < len(inner):
        raise UserError(
            f"{where}: {len(outside)} images lie beside the class folders of {shown(root) or 'the top'}, "
            f"such as {shown(outside[0])}. Move them into a class, or all images into one folder"
        )
    return [(name, None if outside else short.split("/")[0]) for name, short in zip(images, inner, strict=True)]


def _names(labelled: list[Entry]) -> tuple[str, ...]:
    return tuple(sorted({label for _, label in labelled if label is not None}))


def _checked_splits(splits: dict[str, list[Entry]], names: dict[str, tuple[str, ...]], where: str) -> Listing:
    """The splits with the class names of the training set, which must know every class of the others."""
    first = next(iter(splits))
    known = names[first]
    for name, labelled in splits.items():
        if unknown := sorted(set(_names(labelled)) - set(known)):
            classes = ", ".join(shown(label) for label in unknown[:5])
            raise UserError(f"{where}: {name} has classes that {first} lacks: {classes}")
    return Listing({name: interleave(labelled) for name, labelled in splits.items()}, known)


def held_out(count: int, test_fraction: float) -> int:
    """How many of `count` images become the test split: the share, at least one, and never all of them."""
    if not test_fraction or count < 2:
        return 0
    return min(max(1, round(count * test_fraction)), count - 1)


def carve(labelled: list[Entry], names: tuple[str, ...], test_fraction: float) -> Listing:
    """Splits "train" and "test". The last `test_fraction` of each class, at least one image, is the test split."""
    members: dict[str | None, list[Entry]] = {}
    for entry in labelled:
        members.setdefault(entry[1], []).append(entry)
    train, test = [], []
    for group in members.values():
        kept = len(group) - held_out(len(group), test_fraction)
        train += group[:kept]
        test += group[kept:]
    splits = {"train": interleave(train)}
    if test:
        splits["test"] = interleave(test)
    return Listing(splits, names)


def interleave(labelled: list[Entry]) -> list[Entry]:
    """Entries sorted by relative place within their class. Every beginning has the class balance of the whole."""
    members: dict = {}
    for entry in sorted(labelled, key=lambda entry: entry[0]):
        members.setdefault(entry[1], []).append(entry)
    placed = [
        ((i + 0.5) / len(group), label or "", entry)
        for label, group in members.items()
        for i, entry in enumerate(group)
    ]
    return [entry for _, _, entry in sorted(placed)]
