"""Encoded image files into one array: on threads, unreadable ones named and counted."""

import io
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from jaxgen.data import image_options
from jaxgen.errors import UserError


def read_images(
    names: Sequence[str], read: Callable[[int], bytes], config, where: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Decodes image files and brings each to the configured channels, crop and size.

    Done one by one, because files may differ in size and mode. With `channels` 0 the result has three channels as soon
    as one image is in colour; gray ones are repeated.

    Args:
      names: of the images, for messages.
      read: gives the bytes of image i; called from several threads.
      config: `config.data`.
      where: the folder or file they come from, for messages.

    Returns:
      images uint8 [N, H, W, C]; numbers of the images kept, int [N]; names of those left out.

    Raises:
      UserError: images are unreadable and `skip_bad_images` is off; sizes differ and `image_size` is 0.
    """

    def decode(chunk: range) -> list:
        return [_decode(read, i, config) for i in chunk]

    with warnings.catch_warnings():
        # PIL only warns of a decompression bomb up to twice its limit of pixels; here that counts as unreadable.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        chunks = image_options.in_threads(decode, len(names), config, "reading images")
    results = [result for chunk in chunks for result in chunk]
    del chunks
    bad = {i: result for i, result in enumerate(results) if isinstance(result, str)}
    if bad and not config.skip_bad_images:
        shown = ", ".join(f"{names[i]} ({bad[i]})" for i in list(bad)[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"{where}: {len(bad)} of {len(names)} images cannot be read: {shown}; "
            "replace them, or set data.skip_bad_images=True to go on without them"
        )
    if len(bad) == len(names):
        raise UserError(f"{where}: none of its {len(names)} images can be read ({names[0]}: {bad[0]})")
    results = [result for i, result in enumerate(results) if i not in bad]
    kept = np.array([i for i in range(len(names)) if i not in bad], np.int64)
    return _stack(results, [names[i] for i in kept], where), kept, [names[i] for i in bad]


def _decode(read: Callable[[int], bytes], i: int, config) -> np.ndarray | str:
    """Image i as uint8 [H, W, C], or the reason why it cannot be read."""
    try:
        with Image.open(io.BytesIO(read(i))) as image:
            return image_options.apply(image_options.from_pil(image)[None], config)[0]
    except Exception as error:  # PIL's decoders and zip raise a dozen types for damaged files.
        return " ".join(str(error).split()) or type(error).__name__


def _stack(arrays: list[np.ndarray], names: list[str], where: str) -> np.ndarray:
    """One array of them all; empties the list on the way, so that memory holds the images once."""
    size = arrays[0].shape[:2]
    for array, name in zip(arrays, names, strict=True):
        if array.shape[:2] != size:
            raise UserError(
                f"{where}: images differ in size: {names[0]} is {size[1]}x{size[0]}, "
                f"{name} {array.shape[1]}x{array.shape[0]}; set data.image_size"
            )
    channels = max(array.shape[-1] for array in arrays)
    out = np.empty((len(arrays), *size, channels), np.uint8)
    for i in range(len(arrays)):
        out[i] = image_options.set_channels(arrays[i], channels)
        arrays[i] = None
    return out
