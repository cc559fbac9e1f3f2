"""Latent traversals: one latent moves through -3 to 3 while the others stay (Higgins et al. 2017, figure 1)."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxgen.errors import UserError
from jaxgen.metrics.active_units import kl_per_dimension
from jaxgen.pictures import evaluation_pictures, image_grids
from jaxgen.views.sample_grids import fixed_key
from jaxgen.views.views import classes_for, in_batches

log = logging.getLogger(__name__)
REACH, COLUMNS = 3.0, 9
# Test images that the KL of each dimension is a mean over.
_ENCODED = 1000


def write(opened, players, path: Path, decode: Callable | None = None) -> None:
    """Saves the picture of `draw` if the run's recipe decodes latent vectors to images.

    With an encoder, the traversal starts at a test image. Without the data there is no picture, and the log says so.
    """
    if not {"latents", "decode"} <= set(opened.views.names) or len(opened.example_shape) != 3:
        return
    if "encode" in opened.views.names:
        try:
            opened.open_data()
        except UserError as error:
            log.warning("%s is left out, since it starts at a test image: %s", path.name, error)
            return
        if classes_for(opened.views.encode, None) and opened.test.labels is None:
            log.warning("%s is left out, since the test images have no classes", path.name)
            return
    if (picture := draw(opened, players, decode)) is not None:
        image_grids.save(picture, path)


def draw(opened, players, decode: Callable | None = None) -> Image.Image | None:
    """The most influential latents, a row for each. None if latents are no vectors.

    With an encoder, these are the dimensions of largest mean KL to the prior over the first 1,000 test images. The
    left side shows the KL in nats. The start is the posterior mean of the first image. Without an encoder, they are the
    axes along which a fixed latent's image changes most between -3 and 3 (mean absolute change in gray levels).

    Args:
      opened: the run (`jaxgen.runs.session.Session`).
      players: its trained state.
      decode: latents [n, Z] -> images uint8, in place of the model's own decoding, such as with truncation.
    """
    decode = decode or (lambda latents: _decoded(opened, players, latents))
    latents = np.asarray(opened.views.latents(fixed_key(opened.config), np.arange(1)))
    if latents.ndim != 2:
        return None
    rows = min(opened.config.sample.rows, latents.shape[1])
    if "encode" in opened.views.names:
        start, weight = _encoded(opened, players)
        unit = "nats"
    else:
        start, weight = latents[0], _change(decode, latents[0], opened.config.evaluation.batch_size)
        unit = "gray levels"
    axes = np.argsort(-weight, kind="stable")[:rows]
    names = [f"z[{axis}]  {weight[axis]:.2f} {unit}" for axis in axes]
    values = np.linspace(-REACH, REACH, COLUMNS)
    return evaluation_pictures.traversal(decode(walk(start, axes, values)), names, values)


def walk(start: np.ndarray, axes, values) -> np.ndarray:
    """Copies of the latent `start` [Z] with one coordinate set, axis by axis: float32 [axes * values, Z]."""
    latents = np.tile(np.asarray(start, np.float32), (len(axes), len(values), 1))
    for row, axis in zip(latents, axes, strict=True):
        row[:, axis] = values
    return latents.reshape(-1, len(start))


def _decoded(opened, players, latents: np.ndarray) -> np.ndarray:
    # All of one class, where there are classes: only the latent changes.
    return np.asarray(opened.views.decode(players, latents, np.full(len(latents), _start_class(opened))))


def _start_class(opened) -> int:
    """The class of the test image at which the traversal starts, if its encoder knows the class, else 0."""
    known = "encode" in opened.views.names and classes_for(opened.views.encode, None)
    return int(opened.test.labels[0]) if known else 0


def _encoded(opened, players) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean of the first test image [Z], and the KL of each dimension [Z]."""
    images, batch = opened.test.images, opened.config.evaluation.batch_size
    count = min(_ENCODED, len(images))

    def encode(ids):
        classes = {"image_labels": opened.test.labels[ids]} if classes_for(opened.views.encode, None) else {}
        return opened.views.encode(players, images[ids], **classes)

    parts = in_batches(encode, batch, np.arange(count))
    mean, log_variance = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean[0], kl_per_dimension(mean, log_variance)


def _change(decode: Callable, start: np.ndarray, batch: int) -> np.ndarray:
    """Mean absolute difference of the images at both ends of each axis, in gray levels [Z]."""

    def change(axes):
        low, high = (decode(walk(start, axes, [end])).astype(float) for end in (-REACH, REACH))
        return np.abs(high - low).mean((1, 2, 3))

    return np.concatenate(list(in_batches(change, batch, np.arange(len(start)))))
