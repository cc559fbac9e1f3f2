"""Features of a set of real images on disk, so that the runs of a study do not each compute the same ones."""

import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxgen.metrics.extractors.statistics_file import Mismatch, write_arrays

# Larger sets are computed anew: the cache stays small.
LARGEST = 2**27  # bytes


def save(path: Path, features: np.ndarray, metadata: dict) -> None:
    """Writes features [N, D] and what they depend on to `path`, whole or not at all."""
    write_arrays(path, features=features, metadata=np.array(json.dumps(metadata, sort_keys=True)))


def load(path: Path, metadata: dict) -> np.ndarray:
    """The features in `path`, float32 [N, D].

    Raises:
      Mismatch: damaged, or of another extractor, input path or data.
      OSError: cannot be read.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            features, of = arrays["features"], json.loads(str(arrays["metadata"]))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise Mismatch(f"damaged ({' '.join(str(error).split())[:200]})") from None
    if of != json.loads(json.dumps(metadata)):
        raise Mismatch("of other images or another extractor")
    if features.shape != (metadata["n"], metadata["feature_size"]) or not np.isfinite(features).all():
        raise Mismatch(f"damaged (features {features.shape})")
    return features
