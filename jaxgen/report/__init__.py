"""Turns runs into an HTML page and a Markdown file: the better model, its cost, and doubts about it.

It imports evaluation, files, metrics and settings.
"""

from collections.abc import Sequence
from pathlib import Path


def build(directories: Sequence[Path], out: Path, rank_by: str = "") -> Path:
    """Writes the report of every run below the directories, at any depth. Returns the path of its page.

    Args:
      directories: folders with runs and studies.
      out: the folder for index.html, report.md and figures/. It is made if missing.
      rank_by: the metric that ranks the models, by its name or its key in evaluation.json. "": that of the study. A
        study may name none. Then the first usual metric that the models have in common ranks them.

    Raises:
      UserError: no run in any of them, no run has `rank_by`, or `out` cannot be written.
    """
    from jaxgen.report.page import build as build_page  # matplotlib takes a second, which --help need not wait for

    return build_page(directories, out, rank_by)
