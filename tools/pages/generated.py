"""All pages that the build makes of other files, by their place among the pages."""

from pathlib import Path

from tools.pages import command_reference, config_reference, experiment_catalogue, notebook, root_files

NOTEBOOK = "quickstart.ipynb"


def pages(root: Path) -> dict[str, str | bytes]:
    """Text of pages, and bytes of pictures, by their path below docs/.

    Args:
      root: of the repository.

    Raises:
      OSError: a file that a page is made of is missing.
      ValueError: one of these files has no form that a page can show.
    """
    made: dict[str, str | bytes] = {
        "reference/config.md": config_reference.page(),
        "reference/command_line.md": command_reference.page(),
        "reference/experiments.md": experiment_catalogue.page(root / "configs"),
    }
    for name, uri in root_files.PAGES.items():
        made[uri] = root_files.page((root / name).read_text(encoding="utf-8"), uri)
    shown = notebook.page((root / "docs" / NOTEBOOK).read_text(encoding="utf-8"), NOTEBOOK)
    made[str(Path(NOTEBOOK).with_suffix(".md"))] = shown.text
    return made | shown.pictures
