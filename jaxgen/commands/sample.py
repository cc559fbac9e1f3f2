"""`--mode=sample`: pictures from a checkpoint."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from jaxgen.commands import sample_request, style_files
from jaxgen.commands.painter import Painter
from jaxgen.commands.sample_request import Request
from jaxgen.data.table import write_csv
from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.evaluation.latent_samplers import LatentSampler
from jaxgen.pictures import image_grids, video
from jaxgen.runs import restoring, run_views
from jaxgen.runs.session import Session
from jaxgen.views import point_samples, sample_grids, traversal
from jaxgen.views.paths import slerp

log = logging.getLogger(__name__)
BATCH = 64  # numbered images at a time
_INTERPOLATED = 10  # images of a row


def sample(config, folder: Path, checkpoint: str) -> None:
    """Writes single PNG files, a grid and an interpolation from a checkpoint into samples/; of vectors points.csv.

    Of a table it writes rows.csv, with its columns' names and in their units. Of several seeds it writes into the
    folder of each.

    With `config.sample.latent_sampler` they are of that density of latents: samples/images_<name>, samples/<name>.png.
    With seeds, a file of styles, a style-mixing matrix or a video in `config.sample` it writes these instead; settings
    such as truncation are in the files' names.

    The data set of a run on images stays closed, but for a fitted density of latents, and for the traversal of a model
    with an encoder, which is left out where the data are not there.

    Raises:
      UserError: something in `config.sample` that cannot be, or not with this model.
    """
    for config_of_seed, folder_of_seed in restoring.each_seed(config, folder):
        _sample(config_of_seed, folder_of_seed, checkpoint)


def _sample(config, folder: Path, checkpoint: str) -> None:
    request = sample_request.request_of(config.sample)
    video.check(request.video)
    with restoring.open_finished(config, folder, checkpoint, needs_images=False) as (opened, state, step):
        sample_request.check(request, opened)
        if request.is_plain:
            write = _points if "points" in opened.views.names else _plain
            write(opened, state.players, step, folder)
            return
        painter = Painter(opened, state.players, request)
        if request.styles:
            _of_file(config, painter, request, folder / "samples")
        if request.seeds or request.rows:
            _seeded(config, painter, request, folder / "samples")
        elif not request.styles:
            _numbered(opened, state.players, painter, request, folder / "samples")


def _points(opened: Session, players, step: int, folder: Path) -> None:
    """points.csv or, of a table, rows.csv; and a picture of them beside the test split."""
    config, key, folder = opened.config, run_views.evaluation_key(opened.config), folder / "samples"
    if opened.table is None:
        path = folder / "points.csv"
        point_samples.write_table(path, opened.views, players, key, config.sample.num_images)
    else:
        path = folder / "rows.csv"
        rows = point_samples.points(opened.views, players, key, config.sample.num_images)
        write_csv(path, opened.table.columns, rows, opened.table.places)
    sample_grids.write_samples(config, opened.views, players, folder, step, opened.test.images)
    log.info("%d rows in %s, their picture beside it", config.sample.num_images, path)


def _plain(opened: Session, players, step: int, folder: Path) -> None:
    """The numbered images of the config's latent sampler, grids, an interpolation and a traversal."""
    config, sampler, samples = opened.config, opened.config.sample.latent_sampler, folder / "samples"
    samplers = {}
    if sampler != latent_samplers.PRIOR:
        samplers = latent_samplers.fitted(opened, players, step, folder, (sampler,))
    view = run_views.bound_views(opened, players, samplers)[f"sample_{sampler}" if samplers else "sample"]
    images = samples / (f"images_{sampler}" if samplers else "images")
    count = config.sample.num_images
    for start in range(0, count, BATCH):
        ids = np.arange(start, start + BATCH)  # one shape for all batches: compiled once
        _save_each(np.asarray(view(ids))[: count - start], images, map("{:06d}".format, ids))
    draw_fitted(opened, players, samplers, folder)
    image_grids.save(sample_grids.sample_grid(config, opened.views, players), samples / f"step_{step:07d}.png")
    if "latents" in opened.views.names:
        picture = sample_grids.interpolation_grid(config, opened.views, players)
        image_grids.save(picture, samples / "interpolation.png")
    draw_traversal(opened, players, samples / "traversal.png")
    log.info("%d images in %s, grids in %s", count, images, samples)


def _numbered(opened: Session, players, painter: Painter, request: Request, folder: Path) -> None:
    """The same latents as those of `_plain`, and as far as it goes the same noise, by the request's options."""
    config, views, suffix = opened.config, opened.views, request.suffix
    count, images = config.sample.num_images, folder / f"images{suffix}"
    ids = np.arange(count)
    latents = np.asarray(views.latents(run_views.evaluation_key(config), ids))
    batches = painter.of_latents(latents, painter.classes(ids), ids, usual_noise="random")
    _save_each((image for batch in batches for image in batch), images, map("{:06d}".format, ids))
    rows, columns = config.sample.rows, config.sample.columns

    def decode(latents, classes):
        return np.concatenate(list(painter.of_latents(latents, classes, np.zeros(len(latents), int))))

    def save(name, latents, classes, columns):
        image_grids.save(image_grids.grid(decode(latents, classes), columns), folder / f"{name}{suffix}.png")

    ids = np.arange(rows * columns)
    fixed = sample_grids.fixed_key(config)
    save("grid", np.asarray(views.latents(fixed, ids)), painter.classes(ids), columns)
    ends = np.asarray(views.latents(fixed, np.arange(2 * rows)), np.float64).reshape(2, rows, -1)
    path = slerp(*ends, np.linspace(0, 1, _INTERPOLATED)).reshape(rows * _INTERPOLATED, -1)
    save("interpolation", path, np.repeat(painter.classes(np.arange(rows)), _INTERPOLATED), _INTERPOLATED)

    def decode_alike(latents):
        return decode(latents, painter.classes(np.zeros(len(latents))))

    draw_traversal(opened, players, folder / f"traversal{suffix}.png", decode_alike)
    log.info("%d images in %s, grids in %s", count, images, folder)


def _seeded(config, painter: Painter, request: Request, folder: Path) -> None:
    """Images of seeds and a grid of them, the style-mixing matrix, the video: what was asked for."""
    if request.seeds:
        images, single = painter.of_seeds(request.seeds), folder / f"seeds{request.suffix}"
        _save_each(images, single, map("seed{:04d}".format, request.seeds))
        picture = image_grids.grid(images, min(config.sample.columns, len(images)))
        image_grids.save(picture, folder / f"seeds{request.suffix}.png")
        log.info("%d images in %s, a grid in %s.png", len(images), single, single)
    if request.rows:
        matrix = painter.style_mixing()
        path = folder / f"style_mixing_{'-'.join(map(str, request.layers))}{request.suffix}.png"
        image_grids.save(image_grids.grid(matrix.reshape(-1, *matrix.shape[2:]), matrix.shape[1]), path)
        log.info("style mixing in %s: the rows' images with layers %d to %d of the columns'", path, *request.layers)
    if request.video:
        path = folder / f"seeds{request.suffix}.{request.video}"
        video.save(painter.frames(), path, request.video_fps)
        log.info("%d frames in %s", len(request.seeds) * request.video_frames, path)


def _of_file(config, painter: Painter, request: Request, folder: Path) -> None:
    """Images of styles that a projection left in a file, as they are: truncation is for styles that a seed gave."""
    name = Path(request.styles).stem + (f"_noise_{request.noise_mode}" if request.noise_mode else "")
    styles = style_files.read(request.styles, painter.num_ws, painter.w_dim, "config.sample.styles")
    images = np.concatenate(list(painter.of_styles(styles, np.arange(len(styles)))))
    _save_each(images, folder / name, map("{:06d}".format, range(len(images))))
    image_grids.save(image_grids.grid(images, min(config.sample.columns, len(images))), folder / f"{name}.png")
    log.info("%d images in %s, a grid in %s.png", len(images), folder / name, folder / name)


def _save_each(images: Iterable[np.ndarray], folder: Path, names: Iterable[str]) -> None:
    """Writes <folder>/<name>.png of each image [H, W, C]."""
    for image, name in zip(images, names, strict=False):
        image_grids.save(image_grids.single(image), folder / f"{name}.png")


def draw_traversal(opened: Session, players, path: Path, decode: Callable | None = None) -> None:
    """Writes a picture of latents that are walked in, where there are such; `decode`: of `traversal.draw`.

    With an encoder the walk starts at a test image: without the data there is no picture, and the log says so.
    """
    if not traversal.offered(opened):
        return
    if "encode" in opened.views.names:
        try:
            opened.open_data()
        except UserError as error:
            log.warning("%s is left out, since it starts at a test image: %s", path.name, error)
            return
    if (picture := traversal.draw(opened, players, decode)) is not None:
        image_grids.save(picture, path)


def draw_fitted(opened: Session, players, samplers: Mapping[str, LatentSampler], folder: Path) -> None:
    """A grid for each fitted latent sampler, samples/<name>.png."""
    rows, columns = opened.config.sample.rows, opened.config.sample.columns
    for name, view in run_views.bound_views(opened, players, samplers).items():
        if name.removeprefix("sample_") in samplers:
            grid = image_grids.grid(np.asarray(view(np.arange(rows * columns))), columns)
            image_grids.save(grid, folder / "samples" / f"{name.removeprefix('sample_')}.png")
