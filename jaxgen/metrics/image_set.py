"""Images with their features: of sets streamed through a network once, statistics kept on disk; and of batches."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import features_file, statistics_file
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.extractors.statistics_file import SavedStatistics
from jaxgen.metrics.frechet import FeatureStatistics, GroupedStatistics, merged
from jaxgen.metrics.streaming import ExampleStream

log = logging.getLogger(__name__)
_HASHED_AT_ONCE = 1000


class Pixels(Protocol):
    """uint8 [N, H, W, C] (or vectors float32 [N, D]): an array, or what reads from disk or computes when indexed."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, ids: slice | np.ndarray) -> np.ndarray: ...


class ImageSource(NamedTuple):
    """Images (or vectors) and what is known of them, or saved feature statistics that stand in for them.

    images: None with statistics. labels: int32 [N] or None; class_names: of the labels.
    split: the source's name, for records and the cache.
    views: where a trained model made the images, what else it offers (`metrics.base.VIEWS`); None otherwise.
    facts: what metrics must know of views and data, by the view's name.
    """

    images: Pixels | None
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    split: str = ""
    statistics: SavedStatistics | None = None
    views: Mapping[str, Callable] | None = None
    facts: Mapping[str, dict] = {}


class ImageSet:
    """A set of images as metrics see it; features are computed once, when first asked for, and shared.

    Args:
      source: whose `images`, `labels`, `class_names` and `split` it has; saved statistics are its `statistics_file`.
      extractor: name -> extractor.
      stream: of the batches; the first of its processes keeps the cache, and reads from it for all.
      place: puts a host batch on the devices.
      cache_dir: where statistics and, of sets that are small enough, features are kept; None keeps none.
    """

    def __init__(
        self,
        source: ImageSource,
        extractor: Callable[[str], Extractor],
        stream: ExampleStream,
        place: Callable[[np.ndarray], jax.Array],
        cache_dir: str | Path | None,
    ):
        self.images, self.labels, self.class_names = source.images, source.labels, source.class_names
        self.split, self.statistics_file = source.split, source.statistics
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
        cached = self._read(path, "features", lambda: features_file.load(path, metadata))
        if cached is not None:
            return {name: cached}
        features = self._all(name)[0]
        self._write(path, "features", lambda: features_file.save(path, features, metadata))
        return {}

    def _read(self, path: Path, what: str, load: Callable[[], Any]) -> Any:
        """What the first process reads from the cache, or None: all must agree whether something is to be computed."""
        workers, cached = self._stream.workers, None
        if workers.index == 0 and path.exists():
            try:
                cached = load()
            except (statistics_file.Mismatch, OSError) as error:
                log.warning("%s: cached %s are not used and made again: %s", path, what, error)
        return workers.tell(cached)

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
        cached = self._read(path, what, lambda: statistics_file.matching(statistics_file.load(path), metadata))
        if cached is not None:
            return cached
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


class OutputBatch:
    """One batch on the device; only the first `count` of its B examples count, the rest is padding.

    With several processes the arrays here hold B / processes of the examples, and `host` and `features` give all of
    them; `count` is of all. Every process must ask for the same things in the same order.

    output: what the view gave. fake: the same, where that is images uint8 [B, H, W, C].
    real: the real images uint8 [B, H, W, C] that the view was given; None in views that are given none.
    """

    def __init__(
        self,
        output: Any,
        count: int,
        real: jax.Array | None,
        extractor: Callable[[str], Extractor],
        gather: Callable[[Any, int], np.ndarray] = lambda values, count: np.asarray(values)[:count],
    ):
        self.output, self.real, self.count = output, real, count
        self._extractor, self._gather = extractor, gather
        self._features: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    @property
    def fake(self) -> jax.Array:
        """Generated or reconstructed images, uint8 [B, H, W, C]."""
        return self.output

    def host(self, values: jax.Array) -> np.ndarray:
        """Per-image values [B, ...] of all processes on the host, without the padding."""
        return self._gather(values, self.count)

    def features(self, name: str, of: str = "fake") -> tuple[np.ndarray, np.ndarray]:
        """Features and logits [count, ...] of `fake` (or of `real`) under an extractor; all metrics share them."""
        if (name, of) not in self._features:
            features, logits = self._extractor(name).apply(getattr(self, of))
            self._features[name, of] = self.host(features), self.host(logits)
        return self._features[name, of]


class Chosen:
    """Some of a set's images, in the order of `ids`, read as they are used: what streams goes on streaming."""

    def __init__(self, images: Pixels, ids: np.ndarray):
        self._images, self._ids = images, ids
        self.shape = (len(ids), *images.shape[1:])

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, ids) -> np.ndarray:
        return np.asarray(self._images[self._ids[ids]])


def content_digest(images: Pixels) -> str:
    """SHA-256 of the pixels of an array, or of what a streamed set reads them from."""
    if hasattr(images, "digest"):
        return images.digest()
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    for first in range(0, len(images), _HASHED_AT_ONCE):  # an array may be a file larger than memory
        digest.update(np.ascontiguousarray(images[first : first + _HASHED_AT_ONCE]))
    return digest.hexdigest()
