"""Figures as SVG for a page that has a light and a dark face, and as files that stand alone."""

import io
import re
import warnings
from contextlib import AbstractContextManager

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by the colour-blind, less yellow and black, which one of the faces swallows.
COLOURS = ("#0b7fc4", "#e69f00", "#00996d", "#d55e00", "#cc79a7", "#56b4e9", "#8f8f8f", "#9467bd")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Stands for the colour of the text around the figure; no figure uses it for anything else.
INK, _INK_ALONE = "#010203", "#222222"
_NAMESPACE = "http://www.w3.org/2000/svg"
_STYLE = 'style="stroke-linejoin: round; stroke-linecap: butt"'
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "path.simplify": True,
    **{f"{name}color": INK for name in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.", "grid.", "axes.title")},
}


def look(number: int) -> dict[str, str]:
    """Colour and marker of the model with that number; together they tell 64 models apart."""
    marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
    return {"color": COLOURS[number % len(COLOURS)], "marker": marker}


def styled(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of that many inches and its axes, to be drawn on within `settings()`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def settings() -> AbstractContextManager:
    """The context in which figures are made and drawn."""
    return rc_context(_SETTINGS)


def render(figure: Figure, prefix: str) -> str:
    """The figure as an <svg> element for a page: every id starts with `prefix`, text has the colour of the page's."""
    buffer = io.StringIO()
    # A fixed salt: the same runs give the same page.
    with rc_context({**_SETTINGS, "svg.hashsalt": prefix}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's fonts may have what the ruler's has not
        FigureCanvasSVG(figure).print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for unwanted in (r"<metadata>.*?</metadata>", r"<!--.*?-->", r"<style.*?</style>", r" font-family: [^;\"]*;"):
        text = re.sub(unwanted, "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>", rf'<svg viewBox="\1" xmlns="{_NAMESPACE}" {_STYLE}>', text)
    text = re.sub(r"\s*\n\s*", "\n", text)
    # Hundredths of a point are enough; what stands between tags is text.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), text)
    return text.replace(INK, "currentColor").strip()


def alone(text: str) -> str:
    """The element of `render` as a file of its own: dark on white."""
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()
    head, _, body = text.partition(">")
    head = f'{head} width="{width}pt" height="{height}pt" color="{_INK_ALONE}" font-family="sans-serif"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}><rect width="100%" height="100%" fill="white"/>{body}\n'
