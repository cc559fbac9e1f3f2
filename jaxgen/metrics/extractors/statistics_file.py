"""Feature statistics on disk: `.npz` with mu, sigma (ddof = 1) and the metadata that say what they are of."""

import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxgen.metrics.frechet import FeatureStatistics


class Mismatch(Exception):
    """The file is damaged, or holds statistics of something else; the message says which."""


def save(path: Path, statistics: FeatureStatistics, metadata: dict) -> None:
    """Writes the statistics and their metadata to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.dumps({**metadata, "n": statistics.n, "ddof": 1}, sort_keys=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            np.savez(file, mu=statistics.mean, sigma=statistics.covariance(), metadata=np.array(record))
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def load(path: Path, metadata: dict) -> FeatureStatistics:
    """The statistics in `path`, once its metadata proves equal to `metadata` key by key.

    Raises:
      Mismatch: damaged, or made by another extractor, input path or data.
      OSError: cannot be read.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            mean, covariance = arrays["mu"], arrays["sigma"]
            found = json.loads(str(arrays["metadata"]))
        n, size = int(found["n"]), int(metadata["feature_size"])
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise Mismatch(f"damaged ({' '.join(str(error).split())[:200]})") from None
    for key, value in {**metadata, "ddof": 1}.items():
        if found.get(key) != value:
            raise Mismatch(f"of another {key}: {found.get(key)!r}, not {value!r}")
    if mean.shape != (size,) or covariance.shape != (size, size) or n < 2:
        raise Mismatch(f"damaged (shapes {mean.shape} and {covariance.shape} for {size} features, n {n})")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise Mismatch("damaged (values that are not finite)")
    return FeatureStatistics(n, np.asarray(mean, np.float64), np.asarray(covariance, np.float64) * (n - 1))
