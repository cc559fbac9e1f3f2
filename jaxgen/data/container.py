"""A folder or a zip archive as a list of files and a way to read them."""

import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jaxgen.data.image_formats import is_image
from jaxgen.errors import UserError

# Links may show one folder in several places. More places than this come from links that cross each other.
_MOST_PLACES = 1_000
_LINK_ABOVE = "link to a folder above"


class Container(NamedTuple):
    """The files of a container.

    names: sorted relative paths with "/". open(name) -> the file, to be read once, from any thread.
    left_out: how many things of which kind are no files of the container, such as {"hidden": 2}.
    """

    names: list[str]
    open: Callable[[str], BinaryIO]
    left_out: Mapping[str, int]

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with self.open(name) as file:
            return file.read()


def open_container(path: Path) -> Container:
    """The files of a folder (at any depth) or zip, without hidden files and macOS's `__MACOSX`.

    Links in a folder are followed, but for those that lead back to a folder above them. Paths in a zip are read as a
    file browser shows them: `./a//b.png` is `a/b.png`, and a backslash separates folders.

    Raises:
      UserError: neither folder nor zip, a folder that cannot be listed, or links without end. Of a zip: damage,
        absolute or `..` paths, or different files under one path.
    """
    return _of_folder(path) if path.is_dir() else _of_zip(path)


def shown(name: str) -> str:
    """A path on one line: line breaks and bytes that are no text become escapes."""
    return (
        name
        if name.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    )


def _of_folder(path: Path) -> Container:
    names, left_out, places = [], Counter(), Counter()
    waiting: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(str(path), "", frozenset())]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            facts = os.stat(folder)
            here = facts.st_dev, facts.st_ino
            if here in above:
                left_out[_LINK_ABOVE] += 1
                continue
            entries = list(os.scandir(folder))
        except OSError as error:
            raise UserError(f"{shown(folder)} cannot be listed ({error.strerror}). Allow it, or move it out") from None
        places[here] += 1
        if places[here] > _MOST_PLACES:
            raise UserError(
                f"{path}: links lead to {shown(folder)} in more than {_MOST_PLACES} ways. Remove some links"
            )
        for entry in entries:
            if _is_hidden(entry.name):
                left_out["hidden"] += _is_worth_a_word([entry.name], _is_folder(entry))
            elif _is_folder(entry):
                waiting.append((entry.path, f"{prefix}{entry.name}/", above | {here}))
            elif is_image(entry.name) or os.path.exists(entry.path):
                names.append(prefix + entry.name)
            else:
                left_out["link that leads nowhere"] += 1
    return Container(sorted(names), lambda name: _opened(path / name), +left_out)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _opened(file: Path) -> BinaryIO:
    """The file, if it is one: to open a named pipe would wait for ever."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise OSError("a link that leads nowhere" if file.is_symlink() else "the file is gone") from None
    if not stat.S_ISREG(mode):
        raise OSError("not a regular file")
    return file.open("rb")


def _of_zip(path: Path) -> Container:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # Damaged zips raise a dozen types.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"data.dir={str(path)!r} is neither a folder nor a whole zip file ({reason})") from None
    members: dict[str, zipfile.ZipInfo] = {}
    left_out, hidden_folders = Counter(), set()
    for info in archive.infolist():
        raw = info.filename.replace("\\", "/")
        if raw.startswith("/") or re.match(r"[A-Za-z]:", raw) or ".." in raw.split("/"):
            raise UserError(f"{path} holds the path {shown(raw)!r}, which leads out of the zip. Make the zip anew")
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if not parts or raw.endswith(("/", "/.")):
            continue
        hidden = next((i for i, part in enumerate(parts) if _is_hidden(part)), None)
        if hidden is not None:
            if (place := tuple(parts[: hidden + 1])) not in hidden_folders:
                hidden_folders.add(place)
                left_out["hidden"] += _is_worth_a_word(parts[hidden:], hidden < len(parts) - 1)
            continue
        name = "/".join(parts)
        other = members.setdefault(name, info)
        if (other.CRC, other.file_size) != (info.CRC, info.file_size):
            raise UserError(f"{path} holds two different files with the path {shown(name)!r}. Make the zip anew")
    return Container(sorted(members), lambda name: archive.open(members[name]), +left_out)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _is_worth_a_word(parts: list[str], is_folder: bool) -> bool:
    """Whether hidden images may be missed: not what macOS leaves behind, nor hidden files of other kinds."""
    if parts[0] == "__MACOSX" or parts[0].startswith("._"):
        return False
    return is_folder or is_image(parts[0].lstrip("."))
