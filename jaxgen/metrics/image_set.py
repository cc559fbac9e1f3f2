"""Images with their features: sets that pass a network once, with statistics kept on disk, and batches."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.extractors.statistics_file import SavedStatistics
from jaxgen.metrics.feature_cache import FeatureCache, unfinished
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.metrics.resumed import ResumedFeatures, ResumedStatistics
from jaxgen.metrics.streaming import ExampleStream

_HASHED_AT_ONCE = 1000
# Features of larger sets are computed anew: the cache stays small.
_LARGEST_CACHED = 2**27  # bytes


class Pixels(Protocol):
    """uint8 [N, H, W, C] (or vectors float32 [N, D]): an array, or an object that reads or computes when indexed."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, ids: slice | np.ndarray) -> np.ndarray: ...


class ImageSource(NamedTuple):
    """Images (or vectors) with facts about them, or saved feature statistics in their place.

    images: None with statistics. labels: int32 [N] or None. class_names: names of the labels.
    split: the source's name, for records and the cache.
    views: further views of a trained model that made the images (`metrics.base.VIEWS`), or None.
    facts: facts about views and data for metrics, by the view's name.
    read: what was read, for people: counts, classes, size, left-out files.
    factors: known factors of variation of the images, whole numbers from 0 on: name -> int32 [N]. None: unknown.
    """

    images: Pixels | None
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    split: str = ""
    statistics: SavedStatistics | None = None
    views: Mapping[str, Callable] | None = None
    facts: Mapping[str, dict] = {}
    read: str = ""
    factors: Mapping[str, np.ndarray] | None = None


class ImageSet:
    """A set of images for metrics. Features are computed on first use and shared.

    Args:
      source: the source of `images`, `labels`, `class_names` and `split`. Saved statistics are its `statistics_file`.
      extractor: name -> extractor.
      stream: the stream of batches. The first of its processes keeps the cache and reads it for all.
      place: puts a host batch on the devices.
      cache_dir: folder for statistics and, for small sets, features. None keeps none.
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
        self.split, self.statistics_file, self.factors = source.split, source.statistics, source.factors
        self._extractor, self._stream, self._place = extractor, stream, place
        self._cache = FeatureCache(cache_dir, stream)
        self._statistics: dict[str, FeatureStatistics] = {}
        self._features: dict[str, np.ndarray] = {}
        self._outputs: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # features and logits that were computed here
        self._keep: set[str] = set()
        self._made: dict[str, Any] = {}
        self._digest: str | None = None

    def __len__(self) -> int:
        return len(self.images)

    def keep_features(self, extractor: str) -> None:
        """Announces that features will be needed, so that computing statistics first does not double the work."""
        self._keep.add(extractor)

    def features(self, extractor: str) -> np.ndarray:
        """Features of all images, float32 [N, D], cached or computed. Features of large sets are not cached."""
        if extractor not in self._features:
            if extractor in self._outputs or not self.keeps_features(extractor):
                features = self._all(extractor)[0]
            else:
                features = self._cached(extractor, "features", lambda: self._compute_features(extractor))
            self._features[extractor] = features
        return self._features[extractor]

    def keeps_features(self, extractor: str) -> bool:
        """Whether the folder of caches keeps the features of all images: those of large sets would fill it."""
        size = len(self.images) * self._extractor(extractor).metadata()["feature_size"] * 4
        return self._cache.folder is not None and size <= _LARGEST_CACHED

    def features_of(self, ids: np.ndarray, extractor: str) -> np.ndarray:
        """Features of some images [len(ids), D]. They come from the features of all images if a metric wants those."""
        if extractor in self._features or extractor in self._outputs or extractor in self._keep:
            return self.features(extractor)[ids]
        return np.asarray(self._extractor(extractor).apply(self.images[ids])[0])

    def logits(self, extractor: str) -> np.ndarray:
        """Logits of all images, float32 [N, K]."""
        return self._all(extractor)[1]

    def statistics(self, extractor: str) -> FeatureStatistics:
        """Mean and scatter of the features of all images, from a file, the cache, or computed.

        Raises:
          UserError: saved statistics of another extractor or input path.
        """
        if extractor not in self._statistics and self.statistics_file is None:
            statistics = self._cached(extractor, "reference statistics", lambda: self._compute_statistics(extractor))
            self._statistics[extractor] = statistics
        elif extractor not in self._statistics:
            self._statistics[extractor] = self._of_file(self._extractor(extractor))
        return self._statistics[extractor]

    def _of_file(self, extractor: Extractor) -> FeatureStatistics:
        """The saved statistics. Beside images they must be those of these very images, whatever their split's name."""
        metadata, saved = extractor.metadata(), self.statistics_file
        try:
            if self.images is not None and saved.metadata is None:
                raise statistics_file.Mismatch("the statistics do not say which images they are of")
            if self.images is not None:
                metadata = {key: value for key, value in self.metadata(extractor).items() if key != "split"}
                if saved.metadata.get("data_sha256") != metadata["data_sha256"]:
                    of = f"{saved.metadata.get('split')}, {saved.n} images"
                    raise statistics_file.Mismatch(f"the saved statistics are of other images ({of})")
            return statistics_file.matching(saved, metadata)
        except statistics_file.Mismatch as error:
            raise UserError(
                f"{self.split}: {error}. Choose the extractor and resize of that file, or make the file anew"
            ) from None

    def _compute_statistics(self, name: str) -> FeatureStatistics:
        if name in self._keep or name in self._features or name in self._outputs:
            return FeatureStatistics.of(self.features(name))
        path = self.kept_at(name)
        part, metadata = (None, {}) if path is None else (unfinished(path), self.metadata(self._extractor(name)))
        stream = ResumedStatistics(part, metadata, self._stream.workers)
        for features, _ in self._stream_outputs(name, stream.done):
            stream.update(features)
        return stream.finish()

    def _compute_features(self, name: str) -> np.ndarray:
        path, metadata = self.kept_at(name, "features"), self.metadata(self._extractor(name))
        stream = ResumedFeatures(unfinished(path), metadata, self._stream.workers)
        for features, _ in self._stream_outputs(name, stream.done):
            stream.update(features)
        return stream.finish()

    def missing(self, extractor: str, kind: str) -> int:
        """The number of images that must pass the network before "statistics" or "features" are there."""
        what = "features" if kind == "features" else "reference statistics"
        known = extractor in self._features or extractor in self._outputs
        if known or (kind == "statistics" and (self.statistics_file is not None or extractor in self._statistics)):
            return 0
        path = self.kept_at(extractor, what)
        return 0 if path is not None and path.exists() else len(self.images)

    def _all(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self._outputs:
            parts = list(self._stream_outputs(name))
            self._outputs[name] = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        return self._outputs[name]

    def _stream_outputs(self, name: str, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        extractor = self._extractor(name)
        for ids, count in self._stream(len(self.images), f"features of {self.split}", first):
            features, logits = extractor.apply(without_padding(self._place(self.images[ids]), count))
            yield self._stream.gather(features, count), self._stream.gather(logits, count)

    def kept(self, what: str, facts: Mapping[str, Any], load: Callable, save: Callable, compute: Callable) -> Any:
        """What `compute()` makes of the images, kept in memory and in a file of the cache.

        Args:
          what: one word for it in the plural, which starts the file's name. facts: settings that it depends on.
          load, save: as in `FeatureCache.kept`.
        """
        described = {**facts, "data_sha256": self.digest(), "n": len(self.images)}
        key = hashlib.sha256(repr(sorted(described.items())).encode()).hexdigest()
        if key not in self._made:
            path = None if self._cache.folder is None else Path(self._cache.folder) / f"{what}_{key[:16]}.npz"
            self._made[key] = self._cache.kept(path, what, load, save, compute)
        return self._made[key]

    def _cached(self, name: str, what: str, compute: Callable[[], Any]) -> Any:
        if self._cache.folder is None:
            return compute()
        extractor = self._extractor(name)
        return self._cache.get(what, extractor, self.metadata(extractor), compute)

    def kept_at(self, extractor: str, what: str = "reference statistics") -> Path | None:
        """The file of the cache for "features" or "reference statistics", which may not exist. None without a cache."""
        if self._cache.folder is None:  # The digest of the images may take a while.
            return None
        known = self._extractor(extractor)
        return self._cache.file(what, known, self.metadata(known))

    def metadata(self, extractor: Extractor) -> dict:
        """The inputs of the statistics: extractor with weights and input path, pixels, split, count."""
        return {**extractor.metadata(), "data_sha256": self.digest(), "split": self.split, "n": len(self.images)}

    def digest(self) -> str:
        """SHA-256 of the pixels, computed once."""
        if self._digest is None:
            self._digest = content_digest(self.images)
        return self._digest


class OutputBatch:
    """One batch on the device. Only the first `count` of its B examples count. The rest is padding.

    With several processes, the arrays here hold B / processes of the examples. `host` and `features` return all of
    them. `count` is the number over all processes. All processes must make the same requests in the same order.

    output: the view's output. fake: the same for images uint8 [B, H, W, C].
    real: the real images uint8 [B, H, W, C] that the view received, or None if the view receives none.
    """

    def __init__(
        self,
        output: jax.Array | tuple[jax.Array, ...],
        count: int,
        real: jax.Array | None,
        extractor: Callable[[str], Extractor],
        gather: Callable[[jax.Array, int], np.ndarray] = lambda values, count: np.asarray(values)[:count],
    ):
        self.output = self.fake = output
        self.real, self.count = real, count
        self._extractor, self._gather = extractor, gather
        self._features: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def host(self, values: jax.Array) -> np.ndarray:
        """Per-image values [B, ...] of all processes on the host, without the padding."""
        return self._gather(values, self.count)

    def features(self, name: str, of: str = "fake") -> tuple[np.ndarray, np.ndarray]:
        """Features and logits [count, ...] of `fake` (or of `real`) under an extractor. All metrics share them."""
        if (name, of) not in self._features:
            features, logits = self._extractor(name).apply(without_padding(getattr(self, of), self.count))
            self._features[name, of] = self.host(features), self.host(logits)
        return self._features[name, of]


def without_padding(batch: jax.Array, count: int) -> jax.Array:
    """The first `count` examples of a batch: a feature network takes long for padding, which is dropped after it.

    A batch that lies on several devices stays whole, since each of them has an equal part. `count` is that of all
    processes: where it is less than a process's share, each gives so many, and only the first one's count.
    """
    if isinstance(batch, jax.Array) and len(batch.sharding.device_set) > 1:
        return batch
    return batch[:count]


class Chosen:
    """Some of a set's images, in the order of `ids`, read on use. Streamed images stay streamed."""

    def __init__(self, images: Pixels, ids: np.ndarray):
        self._images, self._ids = images, ids
        self.shape = (len(ids), *images.shape[1:])

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, ids) -> np.ndarray:
        return np.asarray(self._images[self._ids[ids]])


def content_digest(images: Pixels) -> str:
    """SHA-256 of the pixels of an array, or of the sources of a streamed set."""
    if hasattr(images, "digest"):
        return images.digest()
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    for first in range(0, len(images), _HASHED_AT_ONCE):  # an array may be a file larger than memory
        digest.update(np.ascontiguousarray(images[first : first + _HASHED_AT_ONCE]))
    return digest.hexdigest()
