"""Make the feature statistics of data sets once, so that no evaluation has to wait for the real images.

    python -m jaxgen.statistics                                         the statistics in the folder of caches
    python -m jaxgen.statistics --data cifar10 --split train test       of both splits, as the data set has them
    python -m jaxgen.statistics --config dcgan_mnist                    of the test split, as this experiment sees it
    python -m jaxgen.statistics --data cifar10 --split train --out cifar10_train.npz

Evaluations find the statistics in the folder of caches. KID, precision, recall, density and coverage
need the features too. The folder keeps those of at most 128 MiB: 16,384 images by inception. A file of --out serves on
other machines: as --real of jaxgen.evaluate, or as evaluation.real_statistics of a run. After a kill the same command
goes on with the rest.
"""

import argparse
import sys
from collections.abc import Sequence

from jaxgen.files import command_line
from jaxgen.files.command_line import Parser, keep_compiled, name, optional_path, run


def _parser() -> argparse.ArgumentParser:
    parser = Parser("statistics", __doc__)
    add = parser.add_argument
    add("--data", type=name, nargs="+", default=(), metavar="NAME", help="data sets, such as cifar10")
    add(
        "--config",
        type=optional_path,
        default="",
        metavar="NAME",
        help="an experiment or a work directory: its data, size and channels",
    )
    add(
        "--split",
        type=name,
        nargs="+",
        default=(),
        metavar="NAME",
        help="splits (default: test, and of --config its test split)",
    )
    add("--image_size", type=int, default=0, help="side in pixels, with --data (default: as the data set has it)")
    add("--channels", type=int, default=0, choices=(0, 1, 3), help="with --data: 1 or 3 (default: as the data set has)")
    add("--extractor", type=name, default="inception", help="inception (default) or efficientnet_lite0")
    add(
        "--resize",
        type=name,
        default="",
        help="how inception resizes images: tf1 (default, canonical), pytorch or clean",
    )
    add("--batch_size", type=int, default=100, help="images per batch (does not change the results)")
    add("--data_dir", type=optional_path, default="", help="folder with the archives of the data")
    add(
        "--cache_dir",
        type=optional_path,
        default="",
        help="folder of caches (default: $JAXGEN_CACHE or ~/.cache/jaxgen)",
    )
    add("--out", type=command_line.path, metavar="FILE.npz", help="a copy of the statistics, if they are of one split")
    return parser


def main(argv: Sequence[str]) -> int:
    """Parses and works. Bad input prints one line and exits with code 2."""

    def work():
        arguments = _parser().parse_args(list(argv))
        keep_compiled(cache_dir=arguments.cache_dir)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import reference_statistics

        print(reference_statistics.run(arguments))

    return run(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
