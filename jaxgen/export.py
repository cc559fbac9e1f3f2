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
import sys
from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files.command_line import Parser, run
from jaxgen.settings.lookup import unknown

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def _parser() -> argparse.ArgumentParser:
    parser = Parser("export", __doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, metavar="RUN", help="the run or the converted network")
    add("--out", type=Path, required=True, metavar="FILE", help="the file to write (FILE.json describes its inputs)")
    add(
        "--platforms",
        default="cpu,cuda,tpu",
        help=f"platforms to compile for, out of {', '.join(PLATFORMS)} (default: all but rocm)",
    )
    add("--checkpoint", default="latest", help="latest (default), best or a step")
    add("--truncation", type=float, default=1.0, metavar="PSI", help="stylegan2: psi, 1 is no truncation (default: 1)")
    add("--batch_size", type=int, default=0, help="fixed number of images per call, 0: any number (default: 0)")
    add("--data_dir", default="", metavar="DIR", help="where the data lie now, for runs of an earlier version")
    return parser


def main(argv: list[str]) -> int:
    """Parses and exports. Bad input prints one line and exits with code 2."""

    def work():
        arguments = _parser().parse_args(argv)
        arguments.platforms = _checked(arguments)
        # JAX is imported from here on, so that --help and typing mistakes answer at once.
        from jaxgen.commands import exported_sampler

        exported_sampler.export(arguments)

    return run(work)


def _checked(arguments: argparse.Namespace) -> tuple[str, ...]:
    platforms = tuple(dict.fromkeys(name.strip() for name in arguments.platforms.split(",") if name.strip()))
    for name in platforms:
        if name not in PLATFORMS:
            raise UserError(unknown("--platforms", name, list(PLATFORMS)))
    if not platforms:
        raise UserError("--platforms is empty. Name at least one platform, such as cpu")
    if arguments.batch_size < 0:
        raise UserError(f"--batch_size={arguments.batch_size}: it must be 0 (any number) or more")
    if not arguments.out.absolute().parent.is_dir():
        raise UserError(f"--out={arguments.out}: there is no folder {arguments.out.parent}. Make the folder first")
    return platforms


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
