"""Files of features and statistics of real images in the folder of caches, so that each set passes a network once."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxgen.files import caches
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.streaming import ExampleStream

log = logging.getLogger(__name__)
# How each kind of file is read and written. The first word starts the file's name.
_KINDS = {
    "features": (statistics_file.load_features, statistics_file.save_features),
    "reference statistics": (statistics_file.load_matching, statistics_file.save),
}


def unfinished(path: Path) -> Path:
    """The file of an unfinished part of what `path` will hold."""
    return path.with_suffix(".part.npz")


class FeatureCache:
    """The files below one folder.

    Args:
      folder: None keeps nothing.
      stream: the stream of batches, whose first process alone reads and writes.
    """

    def __init__(self, folder: str | Path | None, stream: ExampleStream):
        self.folder, self._stream = folder, stream

    def file(self, what: str, extractor: Extractor, metadata: dict) -> Path | None:
        """The file of "features" or "reference statistics" that depend on `metadata`. It may not exist."""
        if self.folder is None:
            return None
        key = hashlib.sha256(repr(sorted(metadata.items())).encode()).hexdigest()
        return Path(self.folder) / f"{what.split()[0]}_{extractor.label or extractor.name}_{key[:16]}.npz"

    def get(self, what: str, extractor: Extractor, metadata: dict, compute: Callable[[], Any]) -> Any:
        """The first process's cached object. If there is none, all processes compute it, and the first caches it."""
        path = self.file(what, extractor, metadata)
        load, save = _KINDS[what]

        def save_whole(path: Path, computed: Any) -> None:
            save(path, computed, metadata)
            unfinished(path).unlink(missing_ok=True)

        return self.kept(path, what, lambda path: load(path, metadata), save_whole, compute)

    def kept(self, path: Path | None, what: str, load: Callable, save: Callable, compute: Callable[[], Any]) -> Any:
        """The first process's object in `path`. If there is none, all processes compute it, and the first saves it.

        Args:
          path: None keeps nothing. what: what the object is, in the plural, for log lines.
          load: `(path) -> object`. It raises `statistics_file.Mismatch` for a damaged file.
          save: `(path, object)`, which writes the file whole or not at all.
        """
        if path is None:
            return compute()
        workers, cached = self._stream.workers, None
        if workers.index == 0 and path.exists():
            try:
                cached = load(path)
            except (statistics_file.Mismatch, OSError) as error:
                log.warning("%s: cached %s cannot be used and are computed again: %s", path, what, error)
        cached = workers.tell(cached)
        if cached is not None:
            return cached
        computed = compute()
        if workers.index == 0 and caches.can_keep(path.parent):
            try:
                save(path, computed)
            except OSError as error:
                log.warning("%s: %s could not be cached: %s", path, what, error)
        return computed
