"""Real images with their features: streamed through an extractor once, statistics kept on disk."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import features_file, statistics_file
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.extractors.statistics_file import SavedStatistics
from jaxgen.metrics.frechet import FeatureStatistics, GroupedStatistics, merged
from jaxgen.metrics.streaming import Stream

log = logging.getLogger(__name__)
_HASHED_AT_ONCE = 1000


class RealImages:
    """A set of real images as metrics see it (`metrics.base.ImageSet`).

    Args:
      images: uint8 [N, H, W, C], array or streamed; None where there are only statistics.
      labels, class_names: int32 [N] or None, and what they stand for.
      split: its name, for records and the cache.
      statistics: saved feature statistics that stand in for the images, or None.
      extractor: name -> extractor.
      stream: of the batches; the first of its processes keeps the cache, and reads from it for all.
      place: puts a host batch on the devices.
      cache_dir: where statistics and, of sets that are small enough, features are kept; None keeps none.
    """

    def __init__(
        self,
        images: Any,
        labels: np.ndarray | None,
        class_names: tuple[str, ...],
        *,
        split: str,
        statistics: SavedStatistics | None,
        extractor: Callable[[str], Extractor],
        stream: Stream,
        place: Callable,
        cache_dir: str | Path | None,
    ):
        self.images, self.labels, self.class_names, self.split = images, labels, class_names, split
        self.statistics_file = statistics
        self._extractor, self._stream, self._place = extractor, stream, place
        self._cache_dir = cache_dir
        self._statistics: dict[str, FeatureStatistics] = {}
        self._features: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._from_cache: dict[str, np.ndarray] = {}
        self._keep: set[str] = set()

    def __len__(self) -> int:
        return len(self.images)

    def keep_features(self, extractor: str) -> None:
        """Tells that features will be asked for, so that computing statistics first does not do the work twice."""
        self._keep.add(extractor)

    def features(self, extractor: str) -> np.ndarray:
        """Features of all images, float32 [N, D], from the cache or computed."""
        if extractor not in self._features and extractor not in self._from_cache:
            self._from_cache |= self._cached_features(extractor)
        return self._all(extractor)[0] if extractor in self._features else self._from_cache[extractor]

    def features_of(self, ids: np.ndarray, extractor: str) -> np.ndarray:
        """Features of some images [len(ids), D]: taken from those of all where a metric asked for them."""
        for known in (self._from_cache.get(extractor), self._features.get(extractor, (None,))[0]):
            if known is not None:
                return known[ids]
        return np.asarray(self._extractor(extractor).apply(self.images[ids])[0])

    def logits(self, extractor: str) -> np.ndarray:
        """Logits of all images, float32 [N, K]."""
        return self._all(extractor)[1]

    def _all(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self._features:
            parts = list(self._stream_features(name))
            self._features[name] = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        return self._features[name]

    def _cached_features(self, name: str) -> dict[str, np.ndarray]:
        """{name: features} from a file; {} where there is none: they are computed, and put there if not too many."""
        extractor = self._extractor(name)
        size = len(self.images) * extractor.metadata()["feature_size"] * 4
        if self._cache_dir is None or size > features_file.LARGEST:
            self._all(name)
            return {}
        metadata = self.metadata(extractor)
        path = self._cache_path(extractor, metadata, "features")
        found = self._read(path, "features", lambda: features_file.load(path, metadata))
        if found is not None:
            return {name: found}
        features = self._all(name)[0]
        self._write(path, "features", lambda: features_file.save(path, features, metadata))
        return {}

    def _read(self, path: Path, what: str, load: Callable[[], Any]) -> Any:
        """What the first process finds in the cache, or None: all must agree whether there is something to compute."""
        workers, found = self._stream.workers, None
        if workers.index == 0 and path.exists():
            try:
                found = load()
            except (statistics_file.Mismatch, OSError) as error:
                log.warning("%s: cached %s are not used and made again: %s", path, what, error)
        return workers.tell(found)

    def _write(self, path: Path, what: str, save: Callable[[], None]) -> None:
        if self._stream.workers.index > 0:
            return
        try:
            save()
        except OSError as error:
            log.warning("%s: %s could not be cached: %s", path, what, error)

    def _cache_path(self, extractor: Extractor, metadata: dict, kind: str) -> Path:
        key = hashlib.sha256(repr(sorted(metadata.items())).encode()).hexdigest()
        return Path(self._cache_dir) / f"{kind}_{extractor.label or extractor.name}_{key[:16]}.npz"

    def _stream_features(self, name: str):
        extractor = self._extractor(name)
        for ids, count in self._stream(len(self.images), f"features of {self.split}"):
            made = extractor.apply(self._place(self.images[ids]))
            yield tuple(self._stream.gather(part, count) for part in made)

    def statistics(self, extractor: str) -> FeatureStatistics:
        """Mean and scatter of the features, from a file, the cache, or computed.

        Raises:
          UserError: saved statistics that are of another extractor or input path.
        """
        if extractor not in self._statistics:
            self._statistics[extractor] = self._find_statistics(extractor)
        return self._statistics[extractor]

    def _find_statistics(self, name: str) -> FeatureStatistics:
        extractor = self._extractor(name)
        if self.statistics_file is not None:
            try:
                return statistics_file.matching(self.statistics_file, extractor.metadata())
            except statistics_file.Mismatch as error:
                raise UserError(
                    f"{self.split}: {error}; choose the extractor and resize it was made with, or make it anew"
                ) from None
        if self._cache_dir is None:
            return self._compute(name)
        metadata = self.metadata(extractor)
        path = self._cache_path(extractor, metadata, "reference")
        what = "reference statistics"
        found = self._read(path, what, lambda: statistics_file.matching(statistics_file.load(path), metadata))
        if found is not None:
            return found
        statistics = self._compute(name)
        self._write(path, what, lambda: statistics_file.save(path, statistics, metadata))
        return statistics

    def metadata(self, extractor: Extractor) -> dict:
        """What the statistics depend on: extractor with its weights and input path, pixels, split, count."""
        return {
            **extractor.metadata(),
            "data_sha256": content_digest(self.images),
            "split": self.split,
            "n": len(self.images),
        }

    def _compute(self, name: str) -> FeatureStatistics:
        if name in self._keep or name in self._features or name in self._from_cache:
            return FeatureStatistics.of(self.features(name))
        stream = GroupedStatistics(len(self.images), seed=0, groups=1)
        for features, _ in self._stream_features(name):
            stream.update(features)
        return merged(stream.parts())


class Chosen:
    """Some of a set's images, in the order of `ids`, read as they are used: what streams goes on streaming."""

    def __init__(self, images: Any, ids: np.ndarray):
        self._images, self._ids = images, ids
        self.shape = (len(ids), *images.shape[1:])

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, ids) -> np.ndarray:
        return np.asarray(self._images[self._ids[ids]])


def content_digest(images: Any) -> str:
    """SHA-256 of the pixels of an array, or of what a streamed set reads them from."""
    if hasattr(images, "digest"):
        return images.digest()
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    for first in range(0, len(images), _HASHED_AT_ONCE):  # an array may be a file larger than memory
        digest.update(np.ascontiguousarray(images[first : first + _HASHED_AT_ONCE]))
    return digest.hexdigest()
