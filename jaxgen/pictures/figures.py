"""Shared parts of the plots: figures without screen or global state, colours, and small files."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, FAKE = "#0072b2", "#e69f00"  # told apart by the colour-blind too


def figure(
    width: float, height: float, *, dpi: int, layout: str | None = "constrained", colours: int = 128
) -> tuple["Figure", Callable[[], Image.Image]]:
    """An empty figure of a size in inches, and a function that makes a picture of it.

    Args:
      layout: None leaves axes at their given places.
      colours: number of palette colours, 0 for all. A picture with few colours takes a third of the space.
    """
    # The object-oriented interface: pyplot keeps figures in a state that all of a process shares.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    canvas = FigureCanvasAgg(empty)

    def draw() -> Image.Image:
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        return picture.quantize(colours) if colours else picture

    return empty, draw
