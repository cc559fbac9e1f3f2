"""A folder or a zip archive as a list of files and a way to read them."""

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxgen.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")


class Container(NamedTuple):
    """The files of a container. names: sorted relative paths with "/". read(name) -> bytes, from any thread."""

    names: list[str]
    read: Callable[[str], bytes]


def open_container(path: Path) -> Container:
    """The files of a folder (at any depth) or zip, without hidden files and macOS's `__MACOSX`.

    Raises:
      UserError: neither folder nor zip, a zip with absolute or `..` paths, or a damaged zip.
    """
    if path.is_dir():
        names, visited = [], set()
        for folder, inner, files in os.walk(path, followlinks=True):
            if os.path.realpath(folder) in visited:  # A link back to a folder above would go round for ever.
                inner.clear()
                continue
            visited.add(os.path.realpath(folder))
            base = Path(folder).relative_to(path)
            names += [(base / file).as_posix() for file in files]
        return Container(_visible(names), lambda name: (path / name).read_bytes())
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"data.dir={str(path)!r} is neither a folder nor a whole zip file ({error})") from None
    members = {info.filename.replace("\\", "/"): info for info in archive.infolist() if not info.is_dir()}
    for name in members:
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise UserError(f"{path} holds the path {name!r}, which leads out of the zip. Make the zip anew")
    return Container(_visible(members), lambda name: archive.read(members[name]))


def _visible(names) -> list[str]:
    """The sorted paths without hidden files and folders."""
    return sorted(
        name
        for name in names
        if not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    )
