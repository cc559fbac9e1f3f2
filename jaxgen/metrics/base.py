"""What a metric module holds and what it is handed: the one page to read before writing a metric.

A metric `name` is a module `jaxgen.metrics.<name>` (or the user's own, by import path) with

- `NEEDS`: the view it measures, "sample" (generated images) or "reconstruct" (pairs of a real image and its copy);
- `DIRECTION`: "lower" or "higher", whichever is better;
- `MIN_SAMPLES`: below so many images on either side evaluation refuses, or computes and marks the number;
- `EXTRACTOR`: the name of the feature network it is bound to (`jaxgen.metrics.extractors.<name>`), or None;
- `start(context) -> accumulator` with `update(batch)` for each batch and `result()` at the end, which gives
  `{"value": float, "spread": float or None, "spread_kind": str, ...}`, further keys as it likes;
- optionally `unsuitable(image_shape) -> reason or None`: why images [H, W, C] cannot be measured; it is then skipped.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import numpy as np

from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.frechet import FeatureStatistics


class Context(NamedTuple):
    """What a metric may know before the first batch.

    reference: name of an extractor -> statistics of its features over all real images (computed once, cached).
    """

    n_real: int
    n_fake: int
    seed: int
    reference: Callable[[str], FeatureStatistics]


class Accumulator(Protocol):
    """A metric under way."""

    def update(self, batch: "Batch") -> None: ...

    def result(self) -> dict: ...


class Batch:
    """One batch of images on the device, uint8 [B, H, W, C]; only the first `count` count, the rest is padding.

    real: the originals of `fake`, in the "reconstruct" view; None in the "sample" view.
    """

    def __init__(self, fake: jax.Array, count: int, real: jax.Array | None, extractor: Callable[[str], Extractor]):
        self.fake, self.real, self.count = fake, real, count
        self._extractor = extractor
        self._features: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def host(self, values: jax.Array) -> np.ndarray:
        """Per-image values [B, ...] on the host, without the padding."""
        return np.asarray(values)[: self.count]

    def features(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits [count, ...] of `fake` under the extractor `name`; all metrics share them."""
        if name not in self._features:
            features, logits = self._extractor(name).apply(self.fake)
            self._features[name] = self.host(features), self.host(logits)
        return self._features[name]
