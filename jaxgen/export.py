"""Writes a trained sampler as one file that runs without jaxgen: StableHLO of `jax.export` with the weights inside.

    python -m jaxgen.export --workdir runs/stylegan2_cifar --out sampler.jax
    python -m jaxgen.export --workdir runs/vae_mnist --out vae.jax --platforms cpu

The sampler takes latents float32 [n, ...] (and classes int32 [n] for a conditional model) and gives images uint8
[n, H, W, C]. A program that loads the file needs jax and flatbuffers alone:

    import numpy as np
    from jax import export
    sampler = export.deserialize(bytearray(open("sampler.jax", "rb").read()))
    latents = np.random.RandomState(0).randn(1, *sampler.in_avals[0].shape[1:]).astype("float32")
    images = np.asarray(sampler.call(latents))  # sampler.call(latents, np.zeros(1, "int32")) with classes
"""

import argparse
import math
import sys
from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files import command_line, outputs
from jaxgen.files.command_line import name, optional_path, path
from jaxgen.settings import lookup

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser("export", __doc__)
    add = parser.add_argument
    add("--workdir", type=path, required=True, metavar="RUN", help="the run or the converted network")
    add("--out", type=path, required=True, metavar="FILE", help="the file to write (FILE.json describes its inputs)")
    add(
        "--platforms",
        type=name,
        default="cpu,cuda,tpu",
        help=f"platforms to compile for, out of {', '.join(PLATFORMS)} (default: all but rocm)",
    )
    add("--checkpoint", type=name, default="latest", help="latest (default), best or a step")
    add("--truncation", type=float, default=1.0, metavar="PSI", help="stylegan2: psi, 1 is no truncation (default: 1)")
    add("--batch_size", type=int, default=0, help="fixed number of images per call, 0: any number (default: 0)")
    add(
        "--data_dir",
        type=optional_path,
        default="",
        metavar="DIR",
        help="where the data lie now, for runs of an earlier version",
    )
    return parser


def main(argv: list[str]) -> int:
    """Parses and exports. Bad input prints one line and exits with code 2."""

    def work():
        arguments = _parser().parse_args(argv)
        arguments.platforms = _checked(arguments)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import exported_sampler

        exported_sampler.export(arguments)

    return command_line.run(work)


def _checked(arguments: argparse.Namespace) -> tuple[str, ...]:
    platforms = lookup.listed(arguments.platforms, "--platforms", "cpu")
    for platform in platforms:
        if platform not in PLATFORMS:
            raise UserError(lookup.unknown("--platforms", platform, list(PLATFORMS)))
    if arguments.batch_size < 0:
        raise UserError(f"--batch_size={arguments.batch_size}: it must be 0 (any number) or more")
    if not math.isfinite(arguments.truncation):
        raise UserError(f"--truncation={arguments.truncation}: it must be finite (1 is no truncation)")
    command_line.check_checkpoint(arguments.checkpoint)
    for file in (arguments.out, Path(f"{arguments.out}.json")):
        outputs.check_file(file, "--out")
    return platforms


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
