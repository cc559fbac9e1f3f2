"""Pictures of a run from its fixed latents: samples, reconstructions, interpolations."""

from pathlib import Path

import jax
import numpy as np

from jaxgen.pictures import image_grids
from jaxgen.views import point_samples
from jaxgen.views.paths import slerp
from jaxgen.views.views import Views


def fixed_key(config) -> jax.Array:
    """The key of the latents that every grid of a run shares."""
    return jax.random.fold_in(jax.random.key(config.seed), 3)


def write_samples(config, views: Views, players, folder: Path, step: int, real: np.ndarray):
    """Writes step_*.png into `folder`: a grid of images, or what there is to see of points (beside the `real` ones)."""
    if "points" in views.names:
        return point_samples.write(folder, step, views, players, fixed_key(config), real)
    picture = sample_grid(config, views, players)
    image_grids.save(picture, folder / f"step_{step:07d}.png")
    return picture


def sample_grid(config, views: Views, players):
    """The same latents at every call, so that the grids of a run can be leafed through."""
    count = config.sample.rows * config.sample.columns
    images = np.asarray(views.sample(players, fixed_key(config), np.arange(count)))
    return image_grids.grid(images, config.sample.columns)


def reconstruction_grid(views: Views, players, images: np.ndarray, count: int = 32):
    """Pairs: a test image, and its reconstruction beside it."""
    images = images[:count]
    return image_grids.pairs(images, np.asarray(views.reconstruct(players, images)))


def interpolation_grid(config, views: Views, players, columns: int = 10):
    """Each row leads from one random latent to another, along the great circle."""
    rows = config.sample.rows
    ids = np.arange(2 * rows)
    latents = np.asarray(views.latents(fixed_key(config), ids), np.float64).reshape(2, rows, -1)
    path = slerp(*latents, np.linspace(0, 1, columns)).reshape(rows * columns, -1)
    images = views.decode(players, path, np.repeat(ids[:rows], columns))
    return image_grids.grid(np.asarray(images), columns)
