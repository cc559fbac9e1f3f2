"""Write a report of runs: one self-contained HTML page, and a Markdown file with its figures.

    python -m jaxgen.report runs --out report
    python -m jaxgen.report runs/dcgan_mnist runs/vae_mnist --out report
    python -m jaxgen.report runs --out report --rank_by kid

The command finds every run below the directories: work directories, seeds of one program, the entries of studies.
"""

import argparse
import sys

from jaxgen import report
from jaxgen.files import command_line, outputs


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser("report", __doc__)
    parser.add_argument(
        "directories", nargs="+", type=command_line.path, metavar="DIR", help="where runs and studies lie"
    )
    parser.add_argument(
        "--out", required=True, type=command_line.path, metavar="OUT", help="folder of index.html and report.md"
    )
    parser.add_argument(
        "--rank_by",
        type=command_line.name,
        default="",
        metavar="METRIC",
        help="the metric that ranks the models, such as kid (that of the study, or the first usual one that all have)",
    )
    return parser


def _work(argv: list[str]) -> None:
    arguments = _parser().parse_args(argv)
    outputs.check_folder(arguments.out, "--out")
    print(report.build(arguments.directories, arguments.out, arguments.rank_by))


def main(argv: list[str]) -> int:
    """Parses and writes the report. Bad input prints one line and exits with code 2."""
    return command_line.run(lambda: _work(argv))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
