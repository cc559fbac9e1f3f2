"""Caches results by the content of their arguments, for work that several metrics need."""

import collections
import functools
import hashlib
from collections.abc import Callable

import numpy as np


def remembered(keep: int) -> Callable:
    """Decorates a pure function of arrays, tuples and hashable options. Its last `keep` results are kept.

    Two metrics may hold equal arrays in different places, and a place can hold other numbers later. Therefore content
    identifies the arguments. Hashing costs little compared with the kept work.
    """

    def decorate(function: Callable) -> Callable:
        results: collections.OrderedDict = collections.OrderedDict()

        @functools.wraps(function)
        def wrapper(*args, **options):
            key = tuple(_digest(x) for x in (args, tuple(sorted(options.items()))))
            if key not in results:
                results[key] = function(*args, **options)
                if len(results) > keep:
                    results.popitem(last=False)
            return results[key]

        return wrapper

    return decorate


def _digest(x):
    if isinstance(x, tuple):
        return tuple(_digest(part) for part in x)
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, hashlib.blake2b(np.ascontiguousarray(x), digest_size=16).digest()
    return x
