"""Write a report of runs: one HTML page that needs nothing else, and a Markdown file with its figures.

    python -m jaxgen.report runs --out report
    python -m jaxgen.report runs/dcgan_mnist runs/vae_mnist --out report

Every run below the directories is found: work directories, seeds of one program, the entries of studies.
"""

import sys
from pathlib import Path

from jaxgen import report
from jaxgen.files import command_line


def _work(argv: list[str]) -> None:
    parser = command_line.Parser("report", __doc__)
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="where runs and studies lie")
    parser.add_argument("--out", required=True, type=Path, metavar="OUT", help="folder of index.html and report.md")
    arguments = parser.parse_args(argv)
    print(report.build(arguments.directories, arguments.out))


def main(argv: list[str]) -> int:
    """Parses and writes the report. Bad input is one line and exit code 2."""
    return command_line.run(lambda: _work(argv))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
