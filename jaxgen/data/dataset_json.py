"""Reads the labels of `dataset.json`, as StyleGAN's tools write it beside the images."""

import json

from jaxgen.data.class_numbers import names_of
from jaxgen.data.container import Container, shown
from jaxgen.errors import UserError

NAME = "dataset.json"
_FORM = '{"labels": [["name.png", 6], ...] or null}'


def nearest(container: Container, images: list[str]) -> str | None:
    """The dataset.json that lies above all images, the deepest of them. None: there is none."""
    ends = min(images), max(images)  # A folder that holds both holds all between them.
    above = [name for name in container.names if _is_one(name) and all(end.startswith(_base(name)) for end in ends)]
    return max(above, key=len, default=None)


def others(container: Container, used: set[str]) -> list[str]:
    """Files of that name which give no labels."""
    return [name for name in container.names if _is_one(name) and name not in used]


def read(
    container: Container, path: str, images: list[str], where: str
) -> tuple[list[tuple[str, str | None]], tuple[str, ...], int]:
    """The classes that the file at `path` gives to `images`: whole numbers, by path relative to the file.

    Returns:
      (image, class or None) in the order of `images`, the class names, and the number of entries without an image.

    Raises:
      UserError: the file is damaged or of another form, a label is no class number, or an image has no label.
    """
    source = f"{where}: {shown(path)}"
    entries = _entries(container, path, source)
    if entries is None:
        return [(name, None) for name in images], (), 0
    classes: dict[str, int] = {}
    for name, label in entries:
        full = _base(path) + "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        if type(label) is not int or label < 0:  # True is an int, too
            raise UserError(
                f"{source} gives {shown(name)} the label {_short(label)}. Labels must be whole numbers from 0"
            )
        if classes.setdefault(full, label) != label:
            raise UserError(f"{source} gives {shown(name)} two labels, {classes[full]} and {label}. Keep one")
    if missing := [name for name in images if name not in classes]:
        raise UserError(f"{source} has no label for {len(missing)} images, such as {shown(missing[0])}")
    names = names_of((classes[name] for name in images), source)
    return [(name, str(classes[name])) for name in images], names, len(classes.keys() - set(container.names))


def _entries(container: Container, path: str, source: str) -> list[tuple[str, object]] | None:
    try:
        labels = json.loads(container.read(path))["labels"]
    except Exception as error:  # Damaged zips and wrong JSON raise a dozen types.
        raise UserError(f"{source} is not {_FORM} ({_short(error)})") from None
    if labels is None:
        return None
    if not isinstance(labels, list):
        raise UserError(f"{source} is not {_FORM} (labels: {_short(labels)})")
    for entry in labels:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise UserError(f"{source} is not {_FORM} (an entry is {_short(entry)})")
    return labels


def _short(value: object) -> str:
    """A value for a message: a nested list can fill pages."""
    text = shown(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_one(name: str) -> bool:
    return name == NAME or name.endswith("/" + NAME)  # asked for every file: a path object takes 20 times as long


def _base(path: str) -> str:
    return path.removesuffix(NAME)
