"""What a feature network hands to the metrics.

An extractor `name` is a module `jaxgen.metrics.extractors.<name>` with `load(resize="", weights="") -> Extractor`,
cached: `resize` names one of the network's input paths ("": its usual one), `weights` a file to use in place of the
one it finds or fetches itself. UserError for what cannot be.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax


class Extractor(NamedTuple):
    """A fixed image network with its whole input path, so that a number names all it depends on.

    weights_sha256: of the weights' file. resize, scale: the input path, in words. side: pixels the network sees.
    apply: images [B, H, W, C], C 1 or 3, uint8 or float32 in [0, 255] -> (features [B, feature_size], logits
      [B, classes]), float32; the same for any B, and on any number of devices.
    label: what its numbers are named for: "inception", "inception_clean", "efficientnet_lite0".
    canonical: whether numbers from it may carry a metric's plain name (`fid`).
    """

    name: str
    weights_sha256: str
    side: int
    resize: str
    scale: str
    feature_size: int
    apply: Callable[[jax.Array], tuple[jax.Array, jax.Array]]
    label: str = ""
    canonical: bool = False

    def metadata(self) -> dict:
        """All that a saved statistic must share with another to be comparable."""
        return {
            "extractor": self.name,
            "weights_sha256": self.weights_sha256,
            "side": self.side,
            "resize": self.resize,
            "scale": self.scale,
            "feature_size": self.feature_size,
        }
