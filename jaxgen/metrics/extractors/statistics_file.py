"""Feature statistics on disk: `.npz` with `mu` and `sigma` (ddof = 1), the layout of pytorch-fid and clean-fid.

jaxgen's files have one more array, `metadata`, with the conditions. Published files of others lack it. Features of real
images also have files, so that the runs of a study do not compute the same features again.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError
from jaxgen.files import npz
from jaxgen.files.workdir import atomic
from jaxgen.metrics.frechet import FeatureStatistics


class Mismatch(Exception):
    """The file is damaged, or holds statistics of other data. The message says which."""


class SavedStatistics(NamedTuple):
    """mean [D] and unbiased covariance [D, D], float64. metadata: None in files without it."""

    mean: np.ndarray
    covariance: np.ndarray
    metadata: dict | None

    @property
    def n(self) -> int | None:
        """Number of images, if the file has it."""
        return None if self.metadata is None else self.metadata["n"]


def save(path: Path, statistics: FeatureStatistics, metadata: dict) -> None:
    """Writes the statistics and their metadata to `path`, whole or not at all."""
    record = json.dumps({**metadata, "n": statistics.n, "ddof": 1}, sort_keys=True)
    write_arrays(path, mu=statistics.mean, sigma=statistics.covariance(), metadata=np.array(record))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes a .npz, whole or not at all. The folder is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as file:
        np.savez(file, **arrays)


@contextlib.contextmanager
def arrays_of(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a .npz by name. Damage, or an error inside the block, becomes a Mismatch."""
    try:
        with npz.opened(path) as arrays:
            yield arrays
    except npz.Damaged as error:
        raise Mismatch(f"damaged ({error})") from None
    except (OSError, Mismatch):
        raise
    except Exception as error:  # What the block makes of arrays that are whole and wrong.
        raise Mismatch(f"damaged ({' '.join(str(error).split())[:200] or type(error).__name__})") from None


def load(path: Path) -> SavedStatistics:
    """The statistics in `path`.

    Raises:
      Mismatch: the file is damaged, or holds no statistics.
      OSError: the file cannot be read.
    """
    with arrays_of(path) as arrays:
        mean, covariance = arrays["mu"], arrays["sigma"]
        metadata = json.loads(str(arrays["metadata"])) if "metadata" in arrays else None
        if metadata is not None and (type(metadata["n"]) is not int or metadata["n"] < 2):
            raise Mismatch(f"damaged (n is {metadata['n']!r:.40}, not a number of 2 or more examples)")
    if mean.dtype.kind not in "fiu" or covariance.dtype.kind not in "fiu":
        raise Mismatch(f"damaged (mu is {mean.dtype} and sigma is {covariance.dtype}, no real numbers)")
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
        raise Mismatch(f"damaged (shapes {mean.shape} and {covariance.shape})")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise Mismatch("damaged (values that are not finite)")
    if (np.diag(covariance) < 0).any() or not np.allclose(covariance, covariance.T, rtol=1e-4):
        raise Mismatch("damaged (sigma is no covariance: not symmetric, or a variance below 0)")
    return SavedStatistics(mean, covariance, metadata)


def load_given(path: Path, where: str) -> SavedStatistics:
    """The statistics in a file that the user names.

    Args:
      where: the flag or key with its value, for the error line.

    Raises:
      UserError: the file cannot be read, is damaged, or holds no statistics.
    """
    try:
        return load(path)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror}). Name a file of jaxgen.statistics") from None
    except Mismatch as error:
        raise UserError(f"{where}: {error}. Make the statistics anew by python -m jaxgen.statistics") from None


def matching(saved: SavedStatistics, metadata: dict) -> FeatureStatistics:
    """The statistics, if their metadata equals `metadata` key by key. Files without metadata are checked by size.

    Raises:
      Mismatch: made by another extractor, input path or data.
    """
    size = metadata["feature_size"]
    if saved.mean.shape != (size,):
        raise Mismatch(f"statistics of {saved.mean.size} features, not {size}")
    if saved.metadata is not None:
        for key, value in {**metadata, "ddof": 1}.items():
            if saved.metadata.get(key) != value:
                raise Mismatch(f"statistics of another {key}: {saved.metadata.get(key)!r}, not {value!r}")
    # Without a count the scatter is that of any n: only the covariance is ever used of it.
    n = saved.n or 2
    return FeatureStatistics(n, saved.mean, saved.covariance * (n - 1))


def load_matching(path: Path, metadata: dict) -> FeatureStatistics:
    """`matching` of what `load` finds in `path`, with the errors of both."""
    return matching(load(path), metadata)


def save_features(path: Path, features: np.ndarray, metadata: dict) -> None:
    """Writes features [N, D] and what they depend on to `path`, whole or not at all."""
    write_arrays(path, features=features, metadata=np.array(json.dumps(metadata, sort_keys=True)))


def load_features(path: Path, metadata: dict) -> np.ndarray:
    """The features in `path`, float32 [N, D].

    Raises:
      Mismatch: damaged, or of another extractor, input path or data.
      OSError: cannot be read.
    """
    with arrays_of(path) as arrays:
        features, of = arrays["features"], json.loads(str(arrays["metadata"]))
        if of != json.loads(json.dumps(metadata)):
            raise Mismatch("of other images or another extractor")
        if features.shape != (metadata["n"], metadata["feature_size"]) or features.dtype.kind != "f":
            raise Mismatch(f"damaged (features {features.dtype} {features.shape})")
        if not np.isfinite(features).all():
            raise Mismatch("damaged (features that are not finite)")
    return features
