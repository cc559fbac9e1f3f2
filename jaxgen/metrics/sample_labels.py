"""The class of each sample, by the number of the sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_GOLDEN = (5**0.5 - 1) / 2


def labels_of(ids: np.ndarray, num_classes: int, class_shares: Sequence[float] = ()) -> np.ndarray:
    """Labels int32 [n] of samples by their numbers [n]: all classes in turn, or by the shares of the classes.

    Multiples of the golden ratio fill [0, 1) evenly: the shares are right among any number of samples.
    """
    if not len(class_shares):
        return (np.asarray(ids) % num_classes).astype(np.int32)
    edges = np.cumsum(class_shares)
    place = (np.asarray(ids) + 0.5) * _GOLDEN % 1 * edges[-1]
    return np.minimum(np.searchsorted(edges, place, side="right"), num_classes - 1).astype(np.int32)


def of_samples(info: Mapping[str, Any], count: int) -> np.ndarray:
    """Labels int32 [count] of the first samples of a conditional model. info: `Context.info`."""
    return labels_of(np.arange(count), **info["sample"]["labels"])
