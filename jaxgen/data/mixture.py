"""Points drawn from known mixtures of Gaussians: ground truth for mode coverage."""

import numpy as np

from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

# Each split draws its own points; the test split has a tenth as many.
_SEEDS = {"train": 0, "test": 1}
_TEST_SHARE = 10


def mixture(config, name: str, centres: np.ndarray, std: float) -> Dataset:
    """Splits "train" (`config.num_points` rows) and "test" of equally likely isotropic Gaussians, without labels.

    Args:
      config: `config.data`. Reads `num_points` and `seed`.
      name: name of the data set.
      centres: [M, D]. std: the standard deviation of every Gaussian in each dimension.

    Raises:
      UserError: too few points for a test split.
    """
    if config.num_points < _TEST_SHARE:
        raise UserError(f"data.num_points={config.num_points}: it must be at least {_TEST_SHARE}")
    if config.seed < 0:
        raise UserError(f"data.seed={config.seed}: it must be 0 or more")
    counts = {"train": config.num_points, "test": config.num_points // _TEST_SHARE}
    splits = {}
    for part in wanted_splits(config, counts):
        rng = np.random.default_rng((config.seed, _SEEDS[part]))
        mode = rng.integers(len(centres), size=counts[part])
        points = centres[mode] + std * rng.standard_normal((counts[part], centres.shape[1]))
        splits[part] = Split(points.astype(np.float32), None)
    truth = {"centres": centres.tolist(), "std": std}
    info = {"source": f"{len(centres)} Gaussians", "num_points": config.num_points, "seed": config.seed, **truth}
    return Dataset(name, splits, (), info, {"points": truth})
