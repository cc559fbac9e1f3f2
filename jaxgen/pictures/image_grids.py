"""Picture files from arrays of images: grids, rows of pairs."""

from pathlib import Path

import numpy as np
from PIL import Image

# A tile is enlarged by a whole factor to about this side, so that 8x8 digits can be seen.
_VISIBLE_SIDE = 48
_GAP = 2


def enlarged(images: np.ndarray, side: int) -> np.ndarray:
    """Images [..., H, W, C] with every pixel repeated by the whole factor that brings the longer side near `side`."""
    scale = max(1, round(side / max(images.shape[-3:-1])))
    return images.repeat(scale, axis=-3).repeat(scale, axis=-2)


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """Images [N, H, W, C] uint8, row by row in `columns` columns, enlarged by a whole factor if they are tiny."""
    images = enlarged(images, _VISIBLE_SIDE)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = _GAP + i // columns * (height + _GAP), _GAP + i % columns * (width + _GAP)
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def pairs(left: np.ndarray, right: np.ndarray, columns: int = 4) -> Image.Image:
    """Grid with `columns` pairs a row: an image of `left` with its counterpart of `right` beside it."""
    both = np.stack([left, right], axis=1).reshape(-1, *left.shape[1:])
    return grid(both, 2 * columns)


def save(picture: Image.Image, path: Path, **options) -> None:
    """Writes a .png (or .gif), whole or not at all. options: options of Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    picture.save(temporary, format=path.suffix[1:], **options)
    temporary.replace(path)


def beside(*parts: Image.Image, gap: int) -> Image.Image:
    """The pictures from left to right on white, tops in line."""
    size = sum(part.width for part in parts) + gap * (len(parts) - 1), max(part.height for part in parts)
    canvas, left = Image.new("RGB", size, "white"), 0
    for picture in parts:
        canvas.paste(picture, (left, 0))
        left += picture.width + gap
    return canvas


def single(image: np.ndarray) -> Image.Image:
    """One image [H, W, C] uint8 at its own size."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
