"""Opens the data of a run, and refuses other data than those that the run was trained on."""

import hashlib
import sys

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Dataset, Split, is_streamed, open_dataset
from jaxgen.files import data_record
from jaxgen.files.data_record import DataRecord

# So many images of a streamed split are read, evenly spread over it. Names and labels of all images are compared too.
_SPOTS = 64


def open_data(config: ConfigDict, recorded: DataRecord | None) -> Dataset:
    """The data set of `config.data`.

    Args:
      config: `config.data`, with the seed of the data.
      recorded: the data of the run that wants them. None for a new run.

    Raises:
      UserError: no such data, or other data than the run's.
    """
    dataset = open_dataset(config, progress=sys.stderr.isatty())
    streamed = {name: split for name, split in dataset.splits.items() if is_streamed(split.images)}
    if streamed:
        spots = {name: _spot_hash(split) for name, split in streamed.items()}
        dataset = dataset._replace(info={**dataset.info, "spot_sha256": spots})
    if recorded is not None:
        data_record.require(recorded, dataset.info, config.dir)
    return dataset


def _spot_hash(split: Split) -> str:
    """SHA-256 of some images of a streamed split. Reading all of them would take as long as an epoch."""
    ids = np.unique(np.linspace(0, len(split.images) - 1, _SPOTS).astype(int))
    return hashlib.sha256(np.ascontiguousarray(split.images[ids])).hexdigest()
