"""Pictures of tables, real and generated: distributions of the columns, correlations, principal components."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from jaxgen.metrics.tabular import Tables, correlations
from jaxgen.pictures.figures import FAKE, REAL, figure

_COLUMNS, _MOST_PANELS = 6, 36
_BINS = 20
_MARKERS = "o^sDvP*X"


def marginals(tables: Tables, names: Sequence[str], names_of: Sequence[list[str]]) -> Image.Image:
    """A panel for each column, 36 at most: densities of real (filled) and generated values over the same bins.

    names: of the columns. names_of: of each column's categories.
    """
    panels = range(min(len(names), _MOST_PANELS))
    rows = -(-len(panels) // _COLUMNS)
    plot, draw = figure(2.0 * _COLUMNS, 1.55 * rows + 0.5, dpi=100)
    for panel in panels:
        axes = plot.add_subplot(rows, _COLUMNS, panel + 1)
        real, fake = tables.real[:, panel], tables.fake[:, panel]
        if tables.categories[panel]:
            edges = np.arange(tables.categories[panel] + 1) - 0.5
        else:
            # The axis is the real one's: a few wild samples shall not flatten it; they count in the outer bins.
            low, high = min(real.min(), tables.train[:, panel].min()), max(real.max(), tables.train[:, panel].max())
            edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        for values, colour, name, filled in ((real, REAL, "real", True), (fake, FAKE, "generated", False)):
            share = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
            style = {"alpha": 0.45} if filled else {"linewidth": 1.4}
            axes.stairs(share, edges, color=colour, fill=filled, label=name if panel == 0 else None, **style)
        axes.set_title(_short(names[panel]), fontsize=8, pad=2)
        axes.tick_params(labelsize=6, length=2)
        axes.set_yticks([])
        if names_of[panel]:
            axes.set_xticks(range(len(names_of[panel])), [_short(name, 10) for name in names_of[panel]])
    plot.legend(loc="outside lower center", ncols=2, frameon=False)
    return draw()


def correlation_matrices(tables: Tables, names: Sequence[str]) -> Image.Image:
    """Pearson's correlations of the columns of numbers: real, generated, and their difference, on one scale."""
    numbers = tables.numbers()
    real, fake = (correlations(rows[:, numbers]) for rows in (tables.real, tables.fake))
    plot, draw = figure(13.5, 4.4, dpi=100, colours=0)  # a scale of colours needs them all
    titles = ("real", "generated", f"generated - real, {np.abs(fake - real).mean():.3f} on average")
    for place, (matrix, title) in enumerate(zip((real, fake, fake - real), titles, strict=True)):
        axes = plot.add_subplot(1, 3, place + 1)
        picture = axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        few = place == 0 and len(numbers) <= 40
        axes.set_yticks(range(len(numbers)) if few else [], [_short(names[i]) for i in numbers] if few else [], size=6)
    plot.colorbar(picture, ax=plot.axes, shrink=0.7, label="correlation")
    return draw()


def principal_components(tables: Tables, class_names: tuple[str, ...]) -> Image.Image:
    """Real and generated rows on the first two principal components of the training rows, a marker for each class."""
    train = tables.features(tables.train, label=False)
    centre = train.mean(0)
    _, scale, axes_of = np.linalg.svd(train - centre, full_matrices=False)
    explained = scale**2 / np.sum(scale**2)
    plot, draw = figure(9.6, 5.0, dpi=100)
    planes = [(tables.features(rows, label=False) - centre) @ axes_of[:2].T for rows in (tables.real, tables.fake)]
    if planes[0].shape[1] < 2:
        planes = [np.column_stack([plane, np.zeros(len(plane))]) for plane in planes]
        explained = np.append(explained, 0.0)
    both = np.concatenate(planes)
    margin = 0.05 * np.ptp(both, axis=0) + 1e-6
    sides = zip(planes, (tables.real, tables.fake), (REAL, FAKE), ("real", "generated"), strict=True)
    for place, (plane, rows, colour, name) in enumerate(sides):
        axes = plot.add_subplot(1, 2, place + 1)
        labels = np.zeros(len(rows), int) if tables.label is None else rows[:, tables.label].astype(int)
        for code in np.unique(labels):
            points = plane[labels == code]
            kind = f" {class_names[code]}" if class_names else ""
            marker, filled = _MARKERS[code % len(_MARKERS)], code % 2 == 0
            colours = {"facecolors": colour if filled else "none", "edgecolors": colour}
            axes.scatter(*points.T, s=16, marker=marker, linewidths=0.8, alpha=0.7, label=f"{name}{kind}", **colours)
        axes.set(xlim=(both[:, 0].min() - margin[0], both[:, 0].max() + margin[0]))
        axes.set(ylim=(both[:, 1].min() - margin[1], both[:, 1].max() + margin[1]))
        axes.set(xlabel=f"first component ({explained[0]:.0%} of the variance)", title=f"{name} ({len(rows)})")
        axes.legend(fontsize=8, frameon=False)
    plot.axes[0].set_ylabel(f"second component ({explained[1]:.0%})")
    return draw()


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 2]}.."
