"""Runs become one HTML page and one Markdown file: which model is better, what it cost, whether to believe it.

It imports evaluation, files, metrics and settings.
"""

from collections.abc import Sequence
from pathlib import Path


def build(directories: Sequence[Path], out: Path) -> Path:
    """Writes the report of every run below the directories, at any depth. Returns the path of its page.

    Args:
      directories: with runs and studies.
      out: the folder for index.html, report.md and figures/. Made if it is not there.

    Raises:
      UserError: no run in any of them, or `out` cannot be written.
    """
    from jaxgen.report.page import build as build_page  # matplotlib takes a second, which --help need not wait for

    return build_page(directories, out)
