"""Converts published networks into work directories of jaxgen: StyleGAN2, and the generator of PyTorch's DCGAN example.

    python -m jaxgen.convert ffhq.pkl --workdir runs/ffhq                       NVIDIA's pickle (StyleGAN2-ADA, PyTorch)
    python -m jaxgen.convert cifar10.pkl --workdir runs/c --data cifar10        ... with data, to evaluate and to train
    python -m jaxgen.convert G.npz --workdir runs/g --config configs/stylegan2_cifar.py     ... settings of a config
    python -m jaxgen.convert netG.pth --workdir runs/faces                      PyTorch's DCGAN example, its generator
    python -m jaxgen.convert --export_weights out.npz --workdir runs/mine       ours, under the official tensor names

Nothing in a pickle is executed, and torch is not needed. The work directory holds a checkpoint of step 0.
`jaxgen.main --workdir DIR` samples from this checkpoint, evaluates it, projects images with it, or trains it further.
`config.init_from=DIR` starts another run from it.
"""

import argparse
import os
import re
import sys

from jaxgen.errors import UserError
from jaxgen.files import command_line, outputs
from jaxgen.files.command_line import name, optional_path, path, spec
from jaxgen.settings import lookup

WRITTEN = (".npz", ".safetensors")


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser("convert", __doc__)
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        type=path,
        metavar="FILE",
        help="NVIDIA's .pkl, or tensors in a .npz, .safetensors, .pth or .tar",
    )
    add("--workdir", type=path, required=True, metavar="DIR", help="the run to make, or the run whose weights to write")
    add(
        "--config",
        type=name,
        metavar="FILE",
        help="config for data, training and evaluation (--config.key=value overrides a key)",
    )
    add("--data", type=spec, default="", metavar="NAME", help="a data source (cifar10), or a folder or zip of images")
    add("--data_dir", type=optional_path, default="", metavar="DIR", help="where the archives of --data lie")
    add("--export_weights", type=path, metavar="OUT", help="write the run's weights: .npz or .safetensors")
    add("--checkpoint", type=name, default="latest", help="for --export_weights: latest, best or a step")
    return parser


def main(argv: list[str]) -> int:
    """Parses and converts. Bad input prints one line and exits with code 2."""

    def work():
        arguments, overrides = _parser().parse_known_args(argv)
        _check(arguments, overrides)
        _check_places(arguments)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import convert

        if arguments.export_weights:
            convert.export_weights(arguments.workdir, arguments.checkpoint, arguments.export_weights)
        else:
            convert.convert(arguments, overrides)

    return command_line.run(work)


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
    if arguments.export_weights:
        for flag in ("config", "data"):
            if getattr(arguments, flag):
                raise UserError(f"--{flag} would change nothing with --export_weights. Leave it out")
    elif arguments.checkpoint != "latest":
        raise UserError(f"--checkpoint={arguments.checkpoint} is for --export_weights alone. Leave it out")
    command_line.check_checkpoint(arguments.checkpoint)


def _check_places(arguments: argparse.Namespace) -> None:
    """Refuses what is not there, and places that cannot be written."""
    if out := arguments.export_weights:
        if out.suffix.lower() not in WRITTEN:
            raise UserError(f"--export_weights={out}: the file name must end in {' or '.join(WRITTEN)}")
        outputs.check_file(out, "--export_weights")
        return
    if not arguments.source.is_file():
        raise UserError(f"{arguments.source}: there is no such file. Name a file of networks")
    for file in ("config.json", "checkpoints"):
        if (arguments.workdir / file).exists():
            raise UserError(f"--workdir={arguments.workdir} holds a run already. Name another folder")
    outputs.check_folder(arguments.workdir, "--workdir")
    data, known = arguments.data, lookup.choices("data")
    if data and not os.path.exists(data) and data not in known and "." not in data and not data.startswith("tfds:"):
        raise UserError(lookup.unknown("--data", data, known, "a folder or zip of images"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
