"""Checks class numbers that come from files: whole numbers from 0, and no higher than a set can mean."""

from collections.abc import Iterable

import numpy as np

from jaxgen.errors import UserError

# Class names, one-hot vectors and embeddings have a row for each number up to the highest, used or not.
_HIGHEST_BELOW = 100_000


def labels_of(labels: np.ndarray, count: int, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels int32 [count] of an array, and a class name for each number up to the highest.

    Args:
      labels: the array as it was read.
      count: the number of images.
      where: what holds the labels, for messages.

    Raises:
      UserError: another shape, no whole numbers, or numbers that no class has.
    """
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{where} holds {labels.dtype} {list(labels.shape)}. It must hold {count} whole numbers from 0")
    names = names_of(labels.tolist(), where)
    return labels.astype(np.int32), names


def names_of(numbers: Iterable[int], where: str) -> tuple[str, ...]:
    """The class names "0", "1", ... up to the highest of `numbers`.

    Raises:
      UserError: a number below 0, or a number so high that it is no class.
    """
    numbers = list(numbers)
    lowest, highest, limit = min(numbers, default=0), max(numbers, default=-1), max(_HIGHEST_BELOW, len(numbers))
    if lowest < 0:
        raise UserError(f"{where} holds the label {lowest}. Labels must be whole numbers from 0")
    if highest >= limit:
        raise UserError(
            f"{where} holds the label {highest}, but {len(numbers)} images have labels below {limit}. "
            "Number the classes from 0 on"
        )
    return tuple(map(str, range(highest + 1)))
