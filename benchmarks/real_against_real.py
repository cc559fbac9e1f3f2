"""The floor of the Frechet distance: 10,000 training images against the test split, as if they were samples.

    python benchmarks/real_against_real.py --data mnist --dir DIR
    python benchmarks/real_against_real.py --data folder --dir cifar10.zip --random

No generator can be expected to come below it. It is not zero because the two are finite draws.
"""

import argparse
import sys
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from jaxgen.data.base import open_dataset
from jaxgen.evaluation.engine import evaluate
from jaxgen.metrics.records import format_table
from jaxgen.settings import default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="as config.data.name")
    parser.add_argument("--dir", default="", help="as config.data.dir")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--random", action="store_true", help="training images drawn with seed 0, not the first")
    arguments = parser.parse_args()
    config = default.get_config()
    config.data.update({"name": arguments.data, "dir": arguments.dir, "image_size": 0, "channels": 0})
    config.evaluation.update({"metrics": ("fd_efficientnet_lite0",), "num_samples": arguments.samples})
    dataset = open_dataset(config.data)
    train = dataset.splits["train"].images
    order = np.arange(len(train))
    if arguments.random:
        np.random.default_rng(0).shuffle(order)
    views = {"sample": lambda ids: train[order[ids]]}
    test, split = dataset.splits["test"].images, f"{arguments.data}:test"
    results = evaluate(config.evaluation, test, views, split=split, progress=sys.stderr.isatty())
    print(format_table(results))


if __name__ == "__main__":
    main()
