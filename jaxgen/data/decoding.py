"""Decodes one image file of any mode into gray or RGB bytes, with notes on what may be other than one thinks."""

import contextlib
import io
import re
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from jaxgen.data.container import shown
from jaxgen.data.image_formats import open_image


def decoded(content: bytes) -> tuple[np.ndarray, dict[str, int]]:
    """An encoded image as uint8 [H, W, C], with notes for `jaxgen.data.reading_report`.

    The notes: `deep` is 1 for 16 bits a value, and `largest` is then the largest value. `several` is 1 if only the
    first of several frames or pages was read.

    Raises:
      Exception: of many types, if the content is damaged, no image, or has no agreed range.
    """
    notes: dict[str, int] = {}
    with open_image(io.BytesIO(content)) as image:
        codings, mode = " ".join(str(tile[3]) for tile in image.tile), image.mode
        says_12_bits = "I;12" in codings
        pixels = from_pil(image, white=4095 if says_12_bits else 65535)
        if mode.startswith("I") and not says_12_bits:
            notes |= {"deep": 1, "largest": int(np.asarray(image).max())}
        elif mode in ("LA", "RGB", "RGBA") and ";16" in codings:
            extrema = image.getextrema()  # PIL kept the upper 8 of 16 bits
            notes |= {"deep": 1, "largest": max(high for _, high in extrema[: 1 if mode == "LA" else 3]) * 256 + 255}
        # The further images of a Photoshop file are its layers, and those of a phone's photograph are previews.
        with contextlib.suppress(Exception):  # the first image was read, and this may find the second one damaged
            if image.format not in ("MPO", "PSD") and getattr(image, "is_animated", False):
                notes["several"] = 1
    return pixels, notes


def from_pil(image: Image.Image, white: int = 65535) -> np.ndarray:
    """A decoded PIL image as uint8 [H, W, C]. Gray modes give C = 1, all others C = 3.

    EXIF orientation is applied. Transparency is composited on white. Palettes are looked up. CMYK and similar modes
    become RGB. 16-bit gray is scaled so that `white` becomes 255, and rounded. PIL itself cuts 16-bit colour to 8 bits.

    Raises:
      ValueError: float pixels, or integers beyond 16 bits, which have no agreed range.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"pixels from {values.min()} to {values.max()} exceed 16 bits")
        return ((values * 255 + white // 2) // white).astype(np.uint8)[..., None]
    if image.mode == "F":
        raise ValueError("float pixels have no agreed range. Save as 8-bit or 16-bit")
    clear = "transparency" in image.info  # the colour that a palette, gray or RGB file names as transparent
    if image.mode in ("1", "L") and not clear:
        return np.asarray(image.convert("L"))[..., None]
    if image.mode in ("1", "L", "LA", "La"):
        gray = image.convert("LA")
        white = Image.new("L", gray.size, 255)
        white.paste(gray.getchannel("L"), mask=gray.getchannel("A"))
        return np.asarray(white)[..., None]
    if clear or image.mode in ("RGBA", "RGBa", "PA"):
        rgba = image.convert("RGBA")
        rgb = Image.new("RGB", rgba.size, (255, 255, 255))
        rgb.paste(rgba, mask=rgba.getchannel("A"))
        return np.asarray(rgb)
    return np.asarray(image.convert("RGB"))


def header_of(file: BinaryIO) -> tuple[int, int, int]:
    """Height, width and channels of the image that `decoded` would give, from its header alone.

    A rotation is seen if it stands before the pixels, as in JPEG files.
    """
    with open_image(file) as image:
        width, height = image.size
        if "exif" in image.info and image.getexif().get(0x0112, 1) >= 5:  # the orientations that swap the sides
            width, height = height, width
        gray = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
        return height, width, 1 if gray else 3


def reason_of(error: Exception) -> str:
    """Why an image cannot be read, in one line, without the address of the bytes that PIL was given."""
    text = getattr(error, "strerror", None) or str(error)
    return re.sub(r" <_io\.BytesIO[^>]*>", "", shown(" ".join(text.split()))) or type(error).__name__
