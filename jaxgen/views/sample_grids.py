"""Pictures of a run from its fixed latents: samples, points, reconstructions, interpolations."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from jaxgen.files.workdir import write_atomic
from jaxgen.pictures import image_grids, point_pictures
from jaxgen.views.views import Views, classes_for, in_batches, slerp

# Points of a picture, and points drawn at a time for a file.
_DRAWN, _AT_ONCE = 2000, 1024


def fixed_key(config) -> jax.Array:
    """The key of the latents that every grid of a run shares."""
    return jax.random.fold_in(jax.random.key(config.seed), 3)


def write_samples(config, views: Views, players, folder: Path, step: int, real: np.ndarray) -> Image.Image:
    """Writes step_*.png into `folder`: a grid of images, or points beside `real` ones [N, D], which set the axes."""
    if "points" in views.names:
        return _write_points(folder, step, views, players, fixed_key(config), real)
    picture = sample_grid(config, views, players)
    image_grids.save(picture, folder / f"step_{step:07d}.png")
    return picture


def sample_grid(config, views: Views, players):
    """The same latents at every call, so that a run's grids show the same latents over time."""
    count = config.sample.rows * config.sample.columns
    images = np.asarray(views.sample(players, fixed_key(config), np.arange(count)))
    return image_grids.grid(images, config.sample.columns)


def reconstruction_grid(views: Views, players, images: np.ndarray, labels: np.ndarray | None, count: int = 32):
    """Pairs: a test image, and its reconstruction beside it. labels: the classes of all images, or None."""
    images, classes = images[:count], classes_for(views.reconstruct, None if labels is None else labels[:count])
    return image_grids.pairs(images, np.asarray(views.reconstruct(players, images, **classes)))


def interpolation_grid(config, views: Views, decode: Callable, columns: int = 10) -> Image.Image:
    """Each row leads from one random latent to another, along the great circle. decode: (latents, ids) -> images."""
    rows = config.sample.rows
    ids = np.arange(2 * rows)
    latents = np.asarray(views.latents(fixed_key(config), ids), np.float64)
    path = slerp(*latents.reshape(2, rows, -1), np.linspace(0, 1, columns)).reshape(-1, *latents.shape[1:])
    return image_grids.grid(np.asarray(decode(path, np.repeat(ids[:rows], columns))), columns)


def _write_points(folder: Path, step: int, views: Views, players, key, real: np.ndarray) -> Image.Image:
    """Writes step_*.png into `folder`; for one dimension also figure1.png and figure1.gif of all steps so far."""
    picture = _draw_points(step, views, players, key, real)
    image_grids.save(picture, folder / f"step_{step:07d}.png")
    if _has_figure1(views, real):
        # Of a run that was killed pictures of later steps may lie there; they will be drawn again.
        frames = [path for path in sorted(folder.glob("step_*.png")) if int(path.stem.removeprefix("step_")) <= step]
        point_pictures.strip(frames, folder / "figure1.png")
        point_pictures.animation(frames, folder / "figure1.gif")
    return picture


def _draw_points(step: int, views: Views, players, key, real: np.ndarray) -> Image.Image:
    """A cloud of real and generated points; for one dimension the densities with D and the lines from z to x.

    Of more than two dimensions it shows the plane of the first two principal components of the real points.
    """
    ids, title = np.arange(_DRAWN), f"step {step}"
    fake = np.asarray(views.points(players, key, ids))
    if real.shape[1] > 2:
        return point_pictures.cloud(*_in_plane(real, fake), title)
    if not _has_figure1(views, real):
        return point_pictures.cloud(real, fake, title)
    places = point_pictures.places(real)
    z = point_pictures.quantiles(views.latents(key, ids[:1]).shape[1])
    return point_pictures.figure1(
        real,
        fake,
        mapped=np.asarray(views.decode(players, z, np.arange(len(z))))[:, 0],
        logits=np.asarray(views.discriminate(players, places[:, None])),
        probability=views.probability,
        title=title,
    )


def _in_plane(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both on the first two principal components of the real points, each dimension in its standard deviations."""
    centre, scale = real.mean(0, dtype=np.float64), real.std(0, dtype=np.float64)
    standard = [(points - centre) / np.where(scale > 0, scale, 1.0) for points in (real, fake)]
    _, axes = np.linalg.eigh(standard[0].T @ standard[0])
    return tuple((points @ axes[:, :-3:-1]).astype(np.float32) for points in standard)


def _has_figure1(views: Views, real: np.ndarray) -> bool:
    return real.shape[1] == 1 and {"latents", "decode", "discriminate"} <= set(views.names)


def points(views: Views, players, key, count: int) -> np.ndarray:
    """The points 0 to `count` - 1 of the key, float32 [count, D]."""
    parts = in_batches(lambda ids: views.points(players, key, ids), _AT_ONCE, np.arange(count))
    return np.concatenate(list(parts))


def write_table(path: Path, views: Views, players, key, count: int) -> None:
    """Writes the points 0 to `count` - 1 of the key as CSV: a header, then one point a line."""
    rows = points(views, players, key, count)
    lines = [",".join(f"x{i}" for i in range(rows.shape[1])), *(",".join(map(repr, row)) for row in rows.tolist())]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "\n".join(lines) + "\n")
