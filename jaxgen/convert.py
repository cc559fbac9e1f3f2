"""Converts published StyleGAN2 networks into work directories of jaxgen.

    python -m jaxgen.convert ffhq.pkl --workdir runs/ffhq                       NVIDIA's pickle (StyleGAN2-ADA, PyTorch)
    python -m jaxgen.convert cifar10.pkl --workdir runs/c --data cifar10        ... with data, to evaluate and to train
    python -m jaxgen.convert G.npz --workdir runs/g --config configs/stylegan2_cifar.py     ... settings of a config
    python -m jaxgen.convert --export_weights out.npz --workdir runs/mine       ours, under the official tensor names

Nothing in a pickle is executed, and torch is not needed. The work directory holds a checkpoint of step 0.
`jaxgen.main --workdir DIR` samples from this checkpoint, evaluates it, projects images with it, or trains it further.
`config.init_from=DIR` starts another run from it.
"""

import argparse
import re
import sys
from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files.command_line import Parser, run


def _parser() -> argparse.ArgumentParser:
    parser = Parser("convert", __doc__)
    add = parser.add_argument
    add(
        "source", nargs="?", type=Path, metavar="FILE", help="NVIDIA's .pkl, or tensors in a .npz, .safetensors or .pth"
    )
    add("--workdir", type=Path, required=True, metavar="DIR", help="the run to make, or the run whose weights to write")
    add(
        "--config",
        metavar="FILE",
        help="config for data, training and evaluation (--config.key=value overrides a key)",
    )
    add("--data", default="", metavar="NAME", help="a data source (cifar10), or a folder or zip of images")
    add("--data_dir", default="", metavar="DIR", help="where the archives of --data lie")
    add("--export_weights", type=Path, metavar="OUT", help="write the run's weights: .npz or .safetensors")
    add("--checkpoint", default="latest", help="for --export_weights: latest, best or a step")
    return parser


def main(argv: list[str]) -> int:
    """Parses and converts. Bad input prints one line and exits with code 2."""

    def work():
        arguments, overrides = _parser().parse_known_args(argv)
        _check(arguments, overrides)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import convert

        if arguments.export_weights:
            convert.export_weights(arguments.workdir, arguments.checkpoint, arguments.export_weights)
        else:
            convert.convert(arguments, overrides)

    return run(work)


def _check(arguments: argparse.Namespace, overrides: list[str]) -> None:
    for argument in overrides:
        if not re.match(r"--(no)?config\.", argument):
            raise UserError(f"unknown argument {argument!r}. --help lists the arguments")
    if overrides and not arguments.config:
        raise UserError(f"{overrides[0]} changes a config, but no config is named. Name it with --config FILE")
    if bool(arguments.source) == bool(arguments.export_weights):
        raise UserError("give either a FILE to convert, or --export_weights OUT. --help explains both")
    if arguments.data_dir and not arguments.data:
        raise UserError("--data_dir belongs to --data. Name the data source with --data too")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
