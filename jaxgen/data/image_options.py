"""Reads images of any mode and size, and brings them to the configured channels, crop and size by PIL's filters."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict
from PIL import Image
from tqdm import tqdm

from jaxgen.data.container import shown
from jaxgen.data.decoding import decoded, reason_of
from jaxgen.data.reading_report import merged
from jaxgen.errors import UserError
from jaxgen.settings import lookup

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
CROPS = ("center", "none")
# Images handed to a thread at a time: large enough to hide the cost of handing over, small enough for the progress bar.
_CHUNK = 64


def check(config) -> None:
    """Refuses options of `config.data` that no image can satisfy."""
    if config.crop not in CROPS:
        raise UserError(lookup.unknown("data.crop", config.crop, list(CROPS)))
    if config.resize not in FILTERS:
        raise UserError(lookup.unknown("data.resize", config.resize, list(FILTERS)))
    if config.channels not in (0, 1, 3):
        raise UserError(f"data.channels={config.channels}: must be 0 (as in the source), 1 (gray) or 3 (RGB)")
    for key in ("image_size", "limit", "train_limit"):
        if config[key] < 0:
            raise UserError(f"data.{key}={config[key]}: must be 0 or more")
    if config.train_limit and config.train_split == config.test_split:
        raise UserError(
            f"data.train_limit={config.train_limit} would also cut the reference images, since train_split and "
            f"test_split are both {config.test_split!r}. Set data.limit, or another data.test_split"
        )
    if not 0 <= config.test_fraction < 1:
        raise UserError(f"data.test_fraction={config.test_fraction}: must lie in [0, 1)")


def apply(images: np.ndarray, config) -> np.ndarray:
    """Applies the configured channels, then crop, then size to images uint8 [N, H, W, C].

    Gray becomes RGB by repetition. RGB becomes gray by ITU-R 601 luma, rounded as PIL does. Crop "center" cuts the
    middle square. Crop "none" keeps the whole image, so that a resize changes its aspect ratio.
    """
    images = set_channels(images, config.channels or images.shape[-1])
    height, width = images.shape[1:3]
    if config.crop == "center" and height != width:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        images = images[:, top : top + side, left : left + side]
    size = config.image_size
    if size and images.shape[1:3] != (size, size):
        images = np.stack([_resize(image, size, FILTERS[config.resize]) for image in images])
    return np.ascontiguousarray(images)


def shape_of(shape: tuple[int, int, int], config) -> tuple[int, int, int]:
    """The shape [H, W, C] of one image after `apply`, without any pixel."""
    height, width, channels = shape
    if config.image_size:
        height = width = config.image_size
    elif config.crop == "center":
        height = width = min(height, width)
    return height, width, config.channels or channels


def with_channels(config, channels: int):
    """`config.data` with another number of channels."""
    config = ConfigDict(config)
    with config.unlocked():
        config.channels = channels
    return config


def set_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Converts uint8 [..., C] to uint8 [..., channels], for 1 and 3 channels."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    # 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, exactly as PIL's convert("L").
    red, green, blue = (images[..., i].astype(np.uint32) for i in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[..., None]


def apply_all(images: np.ndarray, config) -> np.ndarray:
    """`apply` over many images [N, H, W, C], on threads."""
    first = apply(images[:1], config)
    if first.shape[1:] == images.shape[1:]:  # Equal shape: nothing was converted, cropped or resized.
        return np.ascontiguousarray(images)
    out = np.empty((len(images), *first.shape[1:]), np.uint8)

    def work(chunk: range) -> None:
        out[chunk.start : chunk.stop] = apply(images[chunk.start : chunk.stop], config)

    in_threads(work, len(images), config, "resizing")
    return out


def in_threads(work: Callable[[range], object], count: int, config, title: str) -> list:
    """Results of `work` over chunks of range(count) in order, on threads (PIL and numpy release the GIL)."""
    chunks: Sequence[range] = [range(i, min(i + _CHUNK, count)) for i in range(0, count, _CHUNK)]
    results = []
    # No more threads than cores, nor than 8: those that wait for the GIL slow the one that has it.
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=count, desc=title, unit="img", disable=not config.progress) as bar,
    ):
        for chunk, result in zip(chunks, pool.map(work, chunks), strict=True):
            results.append(result)
            bar.update(len(chunk))
    return results


def _resize(image: np.ndarray, size: int, resample: Image.Resampling) -> np.ndarray:
    """uint8 [H, W, C] as uint8 [size, size, C]; PIL's filters widen when shrinking, so they do not alias."""
    gray = image.shape[-1] == 1
    resized = Image.fromarray(image[..., 0] if gray else image).resize((size, size), resample)
    return np.asarray(resized).reshape(size, size, image.shape[-1])


class ReadImages(NamedTuple):
    """What `read_images` read.

    images: uint8 [N, H, W, C]. kept: the numbers of these images, int [N]. skipped: names of unreadable images.
    notes: see `decoded`, summed over the images.
    """

    images: np.ndarray
    kept: np.ndarray
    skipped: list[str]
    notes: dict[str, int]


def read_images(names: Sequence[str], read: Callable[[int], bytes], config, where: str) -> ReadImages:
    """Decodes image files and brings each to the configured channels, crop and size.

    Images are processed one by one, because files may differ in size and mode. With `channels` 0, one coloured image
    makes the whole result RGB. Gray images are then repeated over three channels.

    Args:
      names: image names, for messages.
      read: returns the bytes of image i. Several threads call it.
      config: `config.data`.
      where: folder or file of the images, for messages.

    Raises:
      UserError: unreadable images without `skip_bad_images`, or different sizes without `image_size`.
    """

    def decode(chunk: range) -> list:
        return [_decode(read, i, config) for i in chunk]

    with warnings.catch_warnings():
        # PIL only warns of a decompression bomb up to twice its limit of pixels; here that counts as unreadable.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        chunks = in_threads(decode, len(names), config, "reading images")
    results = [result for chunk in chunks for result, _ in chunk]
    notes = merged(note for chunk in chunks for _, note in chunk)
    del chunks
    bad = {i: result for i, result in enumerate(results) if isinstance(result, str)}
    if bad and not config.skip_bad_images:
        listed = ", ".join(f"{shown(names[i])} ({bad[i]})" for i in list(bad)[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"{where}: {len(bad)} of {len(names)} images cannot be read: {listed}. "
            "Replace them, or set data.skip_bad_images=True to leave them out"
        )
    if len(bad) == len(names):
        raise UserError(f"{where}: none of {len(names)} images can be read ({shown(names[0])}: {bad[0]})")
    results = [result for i, result in enumerate(results) if i not in bad]
    kept = np.array([i for i in range(len(names)) if i not in bad], np.int64)
    images = _stack(results, [names[i] for i in kept], where)
    return ReadImages(images, kept, [names[i] for i in bad], notes)


def _decode(read: Callable[[int], bytes], i: int, config) -> tuple[np.ndarray | str, dict[str, int]]:
    """Image i as uint8 [H, W, C], or the reason why it cannot be read, with the notes on it."""
    try:
        pixels, notes = decoded(read(i))
        return apply(pixels[None], config)[0], notes
    except Exception as error:  # PIL's decoders and zip raise a dozen types for damaged files.
        return reason_of(error), {}


def _stack(arrays: list[np.ndarray], names: list[str], where: str) -> np.ndarray:
    """One array of all images. The list is emptied on the way, so that memory holds the images once."""
    size = arrays[0].shape[:2]
    for array, name in zip(arrays, names, strict=True):
        if array.shape[:2] != size:
            raise UserError(
                f"{where}: images differ in size: {shown(names[0])} is {size[1]}x{size[0]}, "
                f"{shown(name)} {array.shape[1]}x{array.shape[0]}. Set data.image_size"
            )
    channels = max(array.shape[-1] for array in arrays)
    out = np.empty((len(arrays), *size, channels), np.uint8)
    for i in range(len(arrays)):
        out[i] = set_channels(arrays[i], channels)
        arrays[i] = None
    return out
