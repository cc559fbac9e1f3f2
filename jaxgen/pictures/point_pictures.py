"""Pictures of vectors: clouds of points in the plane, densities on the line, and Figure 1 of Goodfellow et al. 2014."""

from pathlib import Path

import numpy as np
from PIL import Image

from jaxgen.pictures import image_grids
from jaxgen.pictures.figures import FAKE, REAL, figure

# Axes lie where they are put: a layout engine would take most of the time, and could move them between frames.
_STYLE = {"dpi": 90, "layout": None, "colours": 64}
_SHOWN = 2000
_MARGIN = 0.25  # of the data's extent, on every side
_CURVE = 241  # places where a density is drawn
_LINES = 21  # from z to x
_LEVELS = (np.arange(_LINES) + 0.5) / _LINES
# Panels of the strip, and milliseconds that each one of the animation is seen, the last one longer.
_PANELS, _MILLISECONDS, _LAST = 4, 200, 1500


def limits(real: np.ndarray) -> np.ndarray:
    """Axes that depend on the data alone, so that the pictures of a run can be leafed through: [D, 2]."""
    low, high = real.min(0), real.max(0)
    margin = _MARGIN * np.maximum(high - low, 1e-6)
    return np.stack([low - margin, high + margin], axis=1)


def cloud(real: np.ndarray, fake: np.ndarray, title: str = "") -> Image.Image:
    """Points in the plane of the first two dimensions, real below generated. One dimension gives densities.

    Args:
      real: [N, D], which also sets the axes. fake: [M, D]. The share outside the axes is written below. Only the first
        2,000 points of each are drawn.
    """
    plot, draw = figure(4.2, 4.6, **_STYLE)
    axes = plot.add_axes((0.11, 0.16, 0.86, 0.78))
    box = limits(real)
    outside = np.mean(~np.all((fake >= box[:, 0]) & (fake <= box[:, 1]), axis=1))
    if real.shape[1] == 1:
        x, width = places(real), _width(real)
        axes.plot(x, density(real[:, 0], x, width), ":", c="black", label="real")
        axes.plot(x, density(fake[:, 0], x, width), c=FAKE, label="generated")
    else:
        for points, colour, name in ((real, REAL, "real"), (fake, FAKE, "generated")):
            axes.scatter(*points[:_SHOWN, :2].T, s=3, c=colour, alpha=0.5, linewidths=0, label=name)
        axes.set(ylim=box[1], aspect="equal")
    label = f"{outside:.1%} of the generated points lie outside" if outside else ""
    axes.set(xlim=box[0], title=title, xlabel=label)
    plot.legend(loc="lower center", ncols=2, frameon=False, markerscale=3)
    return draw()


def places(real: np.ndarray) -> np.ndarray:
    """Where densities on the line are drawn: [P] from one end of the axis to the other."""
    return np.linspace(*limits(real)[0], _CURVE)


def quantiles(latent_dim: int) -> np.ndarray:
    """Latents [21, latent_dim] for `figure1`'s lines: quantiles of the first, evenly spaced, the others at 0."""
    from scipy.special import ndtri

    z = np.zeros((_LINES, latent_dim))
    z[:, 0] = ndtri(_LEVELS)
    return z


def density(samples: np.ndarray, places: np.ndarray, width: float) -> np.ndarray:
    """The kernel estimate of a density [P] at `places` [P] from samples [N], with a Gaussian kernel of that width."""
    samples = samples[np.isfinite(samples)]
    scaled = (places[:, None] - samples) / width
    return np.exp(-0.5 * np.square(scaled)).sum(1) / (max(len(samples), 1) * width * np.sqrt(2 * np.pi))


def _width(real: np.ndarray) -> float:
    """Silverman's rule (1986, equation 3.31) on the real points, for both densities alike."""
    values = real[:, 0].astype(np.float64)
    quartiles = np.subtract(*np.percentile(values, [75, 25])) / 1.34
    spread = min(values.std(), quartiles) or values.std() or 1.0
    return 0.9 * spread * len(values) ** -0.2


def figure1(
    real: np.ndarray, fake: np.ndarray, mapped: np.ndarray, logits: np.ndarray, probability: bool, title: str = ""
) -> Image.Image:
    """Figure 1 of Goodfellow et al. 2014 for points on the line: p_data dotted, p_g green, D blue and dashed.

    Below, lines lead from z to x = G(z).

    Args:
      real: [N, 1], which also sets the axes. fake: [M, 1].
      mapped: [21], the generator's output at `quantiles`.
      logits: [P], the discriminator's output at `places(real)`.
      probability: whether D is the sigmoid of a logit. Otherwise the logit itself is drawn, on its own axis.
    """
    from scipy.special import expit

    plot, draw = figure(4.0, 4.2, **_STYLE)
    top, bottom = plot.add_axes((0.07, 0.44, 0.84, 0.49)), plot.add_axes((0.07, 0.15, 0.84, 0.22))
    x, width, (low, high) = places(real), _width(real), limits(real)[0]
    of_data = density(real[:, 0], x, width)
    top.plot(x, of_data, ":", c="black", label="$p_{data}$")
    top.plot(x, density(fake[:, 0], x, width), c="green", label="$p_g$")
    top.set(ylim=(0, 2 * of_data.max()), yticks=[], title=title, xlim=(low, high), xticks=[])
    right = top.twinx()
    right.plot(x, expit(logits) if probability else logits, "--", c="blue", label="$D$")
    if probability:
        right.set(ylim=(0, 1), yticks=(0, 0.5, 1))
    plot.legend(loc="lower center", ncols=3, frameon=False)
    # z is spread over the width of the axis, as in the figure: its own scale says nothing about x.
    starts = low + _LEVELS * (high - low)
    bottom.plot([starts, mapped], [np.zeros(_LINES), np.ones(_LINES)], c="black", linewidth=0.7)
    bottom.set(yticks=(0, 1), yticklabels=("$z$", "$x$"), ylim=(0, 1), xlim=(low, high))
    return draw()


def strip(frames: list[Path], path: Path) -> None:
    """Four of the pictures `frames` side by side, the first, the last, and two early ones: most happens early."""
    chosen = [frames[i - 1] for i in np.unique(np.geomspace(1, len(frames), _PANELS).round().astype(int))]
    panels = [Image.open(frame).convert("RGB") for frame in chosen]
    image_grids.save(image_grids.beside(*panels, gap=0).quantize(64), path)


def animation(frames: list[Path], path: Path) -> None:
    """All of the pictures one after the other, as an endless GIF."""
    first, *others = [Image.open(frame) for frame in frames]
    times = [_MILLISECONDS] * len(others) + [_LAST]
    image_grids.save(first, path, save_all=True, append_images=others, duration=times, loop=0)
