"""The folder of caches: downloads, decoded data, statistics, weights, compiled programs."""

import atexit
import contextlib
import functools
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)
_PREFIX = "jaxgen-cache-"
_told: set[Path] = set()
# What a folder must take to be a cache. A full disk takes an empty file, too.
_PROBE = b"\0" * 2**16


def folder(given: str = "") -> Path:
    """`given`, or `$JAXGEN_CACHE`, or `~/.cache/jaxgen`. A user without a home folder gets one that is temporary."""
    try:
        return Path(given or os.environ.get("JAXGEN_CACHE") or "~/.cache/jaxgen").expanduser()
    except RuntimeError:  # No `HOME`, and the system does not know the user.
        return _temporary("this user has no home folder")


def can_keep(place: Path) -> bool:
    """Whether files can be kept in `place`, a folder in the folder of caches, which is made if it is missing.

    The first refusal of a folder of caches is told in one line. A temporary folder keeps nothing between processes.
    """
    if place.parent.name.startswith(_PREFIX):
        return False
    if reason := _obstacle(place):
        _tell(place.parent, reason)
    return not reason


def writable(place: Path) -> Path:
    """`place`, made if it is missing. Where that fails, a temporary folder, with a warning that names the reason."""
    if not (reason := _obstacle(place)):
        return place
    other = _temporary(f"{place.parent} cannot be written ({reason})") / place.name
    other.mkdir(exist_ok=True)
    return other


def _obstacle(place: Path) -> str:
    """Why nothing can be written into a folder, or ""."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            file.write(_PROBE)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _tell(root: Path, reason: str) -> None:
    if root not in _told:
        _told.add(root)
        log.warning(
            "cache: %s cannot be written (%s). Nothing is kept for later runs. Set JAXGEN_CACHE to a folder of yours.",
            root,
            reason,
        )


@functools.cache
def _temporary(reason: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    atexit.register(_remove_empty, path)
    log.warning("cache: %s. Set JAXGEN_CACHE to a folder of yours. Until then files are kept in %s.", reason, path)
    return path


def _remove_empty(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()
