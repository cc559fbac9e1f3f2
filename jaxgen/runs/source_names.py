"""Names of sources: what `--real`, `--fake` and `--train` of `jaxgen.evaluate` may name. No example is read here."""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from jaxgen.data import npy_file
from jaxgen.errors import UserError
from jaxgen.files import npz
from jaxgen.settings import lookup, run_config

KINDS = (
    "a folder or zip of images (or FOLDER:part, FILE.zip:part), an .npz or .npy file, dataset:split (mnist:test), "
    "run:DIR, or a statistics file. Arrays are uint8 [N, H, W, C], or vectors float32 [N, D]. A statistics file is an "
    ".npz with mu and sigma"
)


class Place(NamedTuple):
    """What a name of a source means. kind: run, dataset, array or files. part: of the files, or the split."""

    kind: str
    path: Path
    part: str = ""


def find(spec: str, flag: str) -> Place:
    """The place that `spec` names. No image is read.

    Raises:
      UserError: it names no source.
    """
    if not spec:
        raise UserError(f"{flag} is empty. Name {KINDS}")
    if spec.startswith("run:"):
        return Place("run", Path(spec.removeprefix("run:")).expanduser())
    path, part = Path(spec).expanduser(), ""
    if not path.exists() and ":" in spec:
        head, part = spec.rsplit(":", 1)
        path = Path(head).expanduser()
        if not path.exists():
            _check_dataset(head, part, flag)
            return Place("dataset", Path(head), part)
    if not path.exists():
        raise UserError(f"{flag}={spec}: there is no such file or folder. Name {KINDS}")
    if path.suffix.lower() in (".npz", ".npy") and path.is_file():
        return Place("array", path)
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise UserError(f"{flag}={spec} is neither a folder, a zip nor an .npz or .npy file. Name {KINDS}")
    return Place("files", path, part)


def is_of_vectors(spec: str, flag: str) -> bool:
    """Whether a source has vectors, as far as names and headers tell. No example is read.

    Raises:
      UserError: as for `find`.
    """
    place = find(spec, flag)
    if place.kind == "dataset":
        name = str(place.path)
        return not name.startswith("tfds:") and getattr(lookup.module("data", name, flag), "VECTORS", False)
    if place.kind == "run":
        return len(run_config.contents(place.path).get("example_shape") or ()) == 1
    if place.kind != "array":
        return False
    with contextlib.suppress(npz.Damaged, OSError, UserError):  # `open_source` says what is wrong
        if place.path.suffix.lower() == ".npy":
            return npy_file.read(place.path, mapped=True).ndim == 2
        shapes = npz.shapes(place.path)
        return not {"mu", "sigma"} <= shapes.keys() and len(shapes.get(array_of_examples(shapes), ())) == 2
    return False


def array_of_examples(names: Collection[str]) -> str:
    """The name of the array that holds the examples, "" if there is no array."""
    return next((name for name in ("images", "arr_0", *names) if name in names), "")


def _check_dataset(name: str, split: str, flag: str) -> None:
    known = lookup.choices("data")
    if name not in known and not name.startswith("tfds:") and "." not in name:
        raise UserError(f"{flag}={name}:{split}: no such file, and no data set {name!r} ({', '.join(known)})")
