"""Writes a report: index.html with everything in it, and report.md with its figures beside it."""

import base64
import html
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic
from jaxgen.report import plots
from jaxgen.report.chapters import Report, report_of
from jaxgen.report.run_search import find_runs


def build(directories: Sequence[Path], out: Path, rank_by: str = "") -> Path:
    """Does the work of `jaxgen.report.build`, with the packages that it needs."""
    runs, studies = find_runs([Path(directory) for directory in directories])
    names = [study.title for study in studies] or [Path(directory).resolve().name for directory in directories]
    report = report_of(runs, studies, ", ".join(dict.fromkeys(names)), rank_by)
    figures = out / "figures"
    try:
        figures.mkdir(parents=True, exist_ok=True)
        _write_figures(report, figures)
        write_atomic(out / "report.md", _render("report.md.j2", report))
        write_atomic(out / "index.html", _render("index.html.j2", report))
    except OSError as error:
        raise UserError(f"--out={out}: cannot be written ({error.strerror}). Name another folder") from None
    return out / "index.html"


def _write_figures(report: Report, folder: Path) -> None:
    wanted: dict[str, bytes] = {}
    for chapter in report.chapters:
        drawn = [*chapter.figures.values(), *chapter.training]
        wanted |= {figure.name: plots.alone(figure.svg).encode() for figure in drawn}
        wanted |= {picture.name: picture.data for kind in chapter.picture_kinds for picture in kind.pictures}
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    for old in folder.iterdir():  # of an earlier report in the same place
        if re.fullmatch(r"(data|model)-\d+_\w+\.(svg|png)", old.name) and old.name not in wanted:
            old.unlink()


def _render(template: str, report: Report) -> str:
    is_page = template.endswith(".html.j2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxgen.report"),
        autoescape=is_page,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": _markdown, "base64": lambda data: base64.b64encode(data).decode()}
    parts = resources.files("jaxgen.report") / "templates"
    style, script = ((parts / name).read_text() for name in ("style.css", "script.js"))
    text = environment.get_template(template).render(
        report=report, style=Markup(style), script=Markup(script), svg=Markup, code=_code
    )
    return text if is_page else re.sub(r"\n{3,}", "\n\n", text)


def _markdown(text: str) -> str:
    """Text that Markdown leaves alone, in a table too."""
    text = " ".join(str(text).split())
    text = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)
    return html.escape(text, quote=False)


def _code(text: str) -> str:
    """A block of code that no backtick inside ends."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
