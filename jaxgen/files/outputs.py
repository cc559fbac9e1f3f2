"""Where a command writes: checked before its work, written whole or not at all."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jaxgen.errors import UserError


def check_file(path: Path, where: str, device: bool = False) -> None:
    """Refuses a file that could not be written at the end of a work. Nothing is left behind.

    Args:
      where: the flag, for the error line.
      device: a device such as /dev/stdout is possible, since `write` writes the file.

    Raises:
      UserError: a folder is in its place, its folder is missing, or nothing can be written there.
    """
    if path.is_dir():
        raise UserError(f"{where}={path} is a folder. Name a file in it, such as {path / 'FILE'}")
    if _is_special(path):
        if device:
            return
        raise UserError(f"{where}={path} is a device or a pipe, and no file. Name a file")
    target = target_of(path)
    if not target.parent.is_dir():
        raise UserError(f"{where}={path}: there is no folder {path.parent}. Make it first")
    _try(target.parent, target.name, f"{where}={path}")


def check_folder(path: Path, where: str) -> None:
    """Refuses a folder that could not be made or written at the end of a work. Nothing is left behind.

    Raises:
      UserError: a file is in its place or above it, or nothing can be written there.
    """
    above = path.absolute()
    while not os.path.lexists(above):
        above = above.parent
    if not above.is_dir():
        kind = "a link to nothing" if above.is_symlink() else "a file"
        raise UserError(f"{where}={path}: {above} is {kind} and no folder. Name another folder")
    _try(above, path.name if above != path.absolute() else "", f"{where}={path}")


def check_distinct(outputs: Mapping[str, Path | None], inputs: Mapping[str, object]) -> None:
    """Refuses an output that would replace an input or another output. Flags without a value are None.

    Raises:
      UserError: two flags name one place.
    """
    places = {os.path.realpath(str(path)): flag for flag, path in inputs.items() if path}
    for flag, path in outputs.items():
        if path is None or _is_special(path):
            continue
        place = os.path.realpath(path)
        if place in places:
            raise UserError(f"{flag}={path} would replace what {places[place]} names. Name another file")
        places[place] = flag


def write(path: Path, data: str | bytes) -> None:
    """Writes the whole file or nothing. A link is followed, and a device such as /dev/stdout stays one."""
    content = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    if _is_special(path):
        with contextlib.suppress(BrokenPipeError), open(path, "wb") as file:
            file.write(content)
        return
    from jaxgen.files import workdir  # it reads configs, which a command that only checks its flags need not

    with workdir.atomic(target_of(path)) as file:
        file.write(content)


def target_of(path: Path) -> Path:
    """The file that is written: for a link what it leads to, so that the link stays."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder, such as a pipe."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def _try(folder: Path, name: str, where: str) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}."):
            pass
    except OSError as error:
        raise UserError(f"{where}: {folder} cannot be written ({error.strerror}). Name another place") from None
