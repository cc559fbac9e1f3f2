"""The folder of caches: downloads, decoded data, statistics, weights, compiled programs."""

import functools
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)


def folder(given: str = "") -> Path:
    """`given`, or `$JAXGEN_CACHE`, or `~/.cache/jaxgen`. A user without a home folder gets one that is temporary."""
    try:
        return Path(given or os.environ.get("JAXGEN_CACHE") or "~/.cache/jaxgen").expanduser()
    except RuntimeError:  # No `HOME`, and the system does not know the user.
        return _temporary("this user has no home folder")


def writable(place: Path) -> Path:
    """`place`, made if it is missing. Where that fails, a temporary folder, with a warning that names the reason."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except OSError as error:
        other = _temporary(f"{place} cannot be written ({error.strerror})") / place.name
        other.mkdir(exist_ok=True)
        return other


@functools.cache
def _temporary(reason: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="jaxgen-cache-"))
    log.warning("cache: %s. Set JAXGEN_CACHE to a folder of yours. Until then files are kept in %s.", reason, path)
    return path
