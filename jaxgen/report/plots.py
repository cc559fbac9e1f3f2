"""The figures of a section as SVG: for a page with a light and a dark theme, and as separate files."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

from jaxgen.report.comparison import MetricTable
from jaxgen.report.costs import curve, train_seconds
from jaxgen.report.formatting import finite
from jaxgen.report.metric import Metric
from jaxgen.report.sections import Model, Section

# Okabe and Ito's colours, told apart by the colour-blind, less yellow and black, which one of the faces swallows.
_COLOURS = ("#0b7fc4", "#e69f00", "#00996d", "#d55e00", "#cc79a7", "#56b4e9", "#8f8f8f", "#9467bd")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Stands for the colour of the text around the figure; no figure uses it for anything else.
_INK, _INK_ALONE = "#010203", "#222222"
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
    **{f"{of}color": _INK for of in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.", "grid.", "axes.title")},
}
_TICKS = [t * unit for unit, ts in ((1, (1, 2, 5, 10, 20)), (60, (0.5, 1, 2, 5, 10, 20))) for t in ts]
_TICKS += [t * unit for unit, ts in ((3600, (0.5, 1, 2, 5, 10)), (86_400, (1, 2, 5, 10, 20, 50))) for t in ts]
_POINTS = 160  # of a curve, at most
_LINES = 4  # losses of a training plot
_LOSSES = ("loss", "elbo", "bits")


def leaderboard(table: MetricTable, prefix: str) -> str:
    """Every seed's number as a dot, the mean and its interval as a bar, best model on top.

    The axis holds all numbers. It may cut the interval of few seeds, which would otherwise press the others together.
    """
    rows = table.ranked[::-1]
    with figure_and_axes(6.4, 0.75 + 0.32 * len(rows)) as (figure, axes):
        for y, row in enumerate(rows):
            look, summary = _look(row.model.number), row.summary
            colour = look["color"]
            if summary.low is not None:
                axes.plot([summary.low, summary.high], [y, y], color=colour, lw=5, alpha=0.3, solid_capstyle="butt")
            axes.plot([summary.mean], [y], "|", color=colour, ms=13, mew=2)
            axes.scatter(list(row.values.values()), [y] * len(row.values), s=22, zorder=3, **look)
        axes.set_yticks(range(len(rows)), [_label(row.model.name) for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        values = [value for row in rows for value in row.values.values()]
        margin = 0.25 * (max(values) - min(values))
        if margin:
            low, high = axes.get_xlim()
            axes.set_xlim(max(low, min(values) - margin), min(high, max(values) + margin))
        axes.set_xlabel(_axis(table.metric))
        axes.grid(axis="y", visible=False)
        return render(figure, prefix)


def quality_against_cost(table: MetricTable, prefix: str) -> str | None:
    """The deciding number over the training time, one mark for each run. None without times."""
    with figure_and_axes(6.4, 3.6) as (figure, axes):
        models, times = 0, []
        for row in table.ranked:
            runs = [(train_seconds(run), row.values[run.seed]) for run in row.model.runs if run.seed in row.values]
            runs = [(seconds, value) for seconds, value in runs if seconds]
            if not runs:
                continue
            models += 1
            times += [seconds for seconds, _ in runs]
            label, look = _label(row.model.name), _look(row.model.number)
            axes.scatter(*zip(*runs, strict=True), s=34, alpha=0.9, label=label, **look)
        if models < 2:
            return None
        return _over_time(figure, axes, table.metric, models, times, prefix)


def progress(section: Section, metric: Metric, prefix: str) -> str | None:
    """The number over the training seconds, for runs that measured it during training. None without such runs."""
    with figure_and_axes(6.4, 3.6) as (figure, axes):
        models, times = 0, []
        for model in section.models:
            label = _label(model.name)
            for run in model.runs:
                points = curve(run, metric)
                if len(points) < 2:
                    continue
                axes.plot(*zip(*points, strict=True), ms=4, lw=1.4, label=label, **_look(model.number))
                times += [seconds for seconds, _ in points]
                models, label = models + bool(label), None
        if not models:
            return None
        return _over_time(figure, axes, metric, models, times, prefix)


def training(model: Model, prefix: str) -> str | None:
    """The losses of a model over its steps, one line for each seed. None without logged losses."""
    last = [line for run in model.runs for line in run.lines[-3:]]
    names = sorted({name for line in last for name, value in line.items() if finite(value) is not None})
    names = [name for name in names if name.startswith(_LOSSES)][:_LINES]
    if not names:
        return None
    with figure_and_axes(3.4, 2.3) as (figure, axes):
        values = []
        for number, name in enumerate(names):
            label = _label(name)
            for run in model.runs:
                points = [(line["step"], line[name]) for line in run.lines if finite(line.get(name)) is not None]
                if len(points) > _POINTS:  # each the mean of its neighbours
                    parts = np.array_split(np.asarray(points, np.float64), _POINTS)
                    points = [tuple(part.mean(0)) for part in parts]
                if points:
                    axes.plot(*zip(*points, strict=True), color=_COLOURS[number], lw=1, alpha=0.85, label=label)
                    values += [value for _, value in points]
                    label = None
        low, high = np.quantile(values, [0.01, 0.99])
        if high > low:  # a single spike would press all else flat
            axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axes.set_xlabel("step")
        axes.set_title(_label(model.name))
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
        return render(figure, prefix)


def plane(places: Mapping[str, np.ndarray], numbers: Mapping[str, int | None], prefix: str) -> str:
    """Points [n, 2] of the real data (number None: crosses, on top) and of models in one plane."""
    with figure_and_axes(6.4, 5.6) as (figure, axes):
        for name, points in places.items():
            look = {"color": _INK, "marker": "x", "linewidths": 0.8, "alpha": 0.8, "zorder": 3}
            if (number := numbers[name]) is not None:
                look = {**_look(number), "linewidths": 0, "alpha": 0.65}
            axes.scatter(*points.T, s=12, label=f"{_label(name)} ({len(points)})", **look)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.legend(loc="outside lower center", ncols=3, markerscale=1.8, fontsize=8)
        return render(figure, prefix)


def _label(name: str) -> str:
    """A name as matplotlib shows it: not too long, and without the underscore at the start that hides it."""
    name = name if len(name) <= 42 else f"{name[:20]}…{name[-20:]}"
    return f" {name}" if name.startswith("_") else name


def _axis(metric: Metric) -> str:
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.name}{unit}{f' ({metric.best})' if metric.best else ''}"


def _over_time(figure: Figure, axes: Axes, metric: Metric, models: int, times: Sequence[float], prefix: str) -> str:
    """Finishes a figure of a metric over the time of training."""
    axes.set_title(_axis(metric), loc="left", fontsize=9)
    figure.legend(loc="outside lower center", ncols=min(models, 3), fontsize=8)
    axes.set_xlabel("training time, compilation included")
    if max(times) > 5 * min(times) > 0:
        axes.set_xscale("log")
        axes.set_xlim(min(times) / 1.2, max(times) * 1.2)
        few = max(times) / min(times) > 200
        axes.xaxis.set_major_locator(FixedLocator([t for t in _TICKS[:: 2 if few else 1] if t < 1.2 * max(times)]))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        step = next((t for t in _TICKS if max(times) / t < 7), _TICKS[-1])
        axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    return render(figure, prefix)


def _clock(seconds: float) -> str:
    """A time as short as it can be said: 90 s, 5 min, 2 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


@contextmanager
def figure_and_axes(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure with a size in inches and its axes, for drawing. It is rendered inside the block."""
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def _look(number: int) -> dict[str, str]:
    """Colour and marker of the model with that number; together they tell 64 models apart."""
    marker = _MARKERS[(number + number // len(_COLOURS)) % len(_MARKERS)]
    return {"color": _COLOURS[number % len(_COLOURS)], "marker": marker}


def render(figure: Figure, prefix: str) -> str:
    """The figure as an <svg> element for a page. Every id starts with `prefix`. Text has the page's colour."""
    buffer = io.StringIO()
    # A fixed salt: the same runs give the same page.
    with rc_context({**_SETTINGS, "svg.hashsalt": prefix}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's fonts may have what the ruler's has not
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(buffer, metadata=no_metadata)
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
    return text.replace(_INK, "currentColor").strip()


def alone(text: str) -> str:
    """The element of `render` as a separate file: dark on white."""
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()
    head, _, body = text.partition(">")
    head = f'{head} width="{width}pt" height="{height}pt" color="{_INK_ALONE}" font-family="sans-serif"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}><rect width="100%" height="100%" fill="white"/>{body}\n'
