"""`--mode=sample`: pictures from a checkpoint."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from jaxgen.commands import sample_request
from jaxgen.commands.painter import Painter
from jaxgen.commands.sample_request import Request
from jaxgen.commands.styles_file import read
from jaxgen.data.table import write_csv
from jaxgen.evaluation import latent_samplers
from jaxgen.evaluation.latent_samplers import LatentSampler
from jaxgen.pictures import image_grids, video
from jaxgen.runs import restoring, run_views
from jaxgen.runs.session import Session
from jaxgen.views import sample_grids, traversal
from jaxgen.views.views import in_batches

log = logging.getLogger(__name__)
BATCH = 64  # numbered images at a time


def sample(config, folder: Path, checkpoint: str) -> None:
    """Writes single PNG files, a grid and an interpolation from a checkpoint into samples/. Vectors give points.csv.

    A table gives rows.csv, with the names and units of its columns. Several seeds write into the folder of each seed.

    `config.sample.latent_sampler` names a density of latents: samples/images_<name>, samples/<name>.png. Seeds, a file
    of styles, a style-mixing matrix or a video in `config.sample` replace these files. Their file names contain
    settings such as truncation.

    The data set of a run on images stays closed. A fitted density of latents and the traversal of a model with an
    encoder do open it. The traversal is left out if the data are missing.

    Raises:
      UserError: a setting in `config.sample` is impossible, or impossible with this model.
    """
    for config_of_seed, folder_of_seed in restoring.each_seed(config, folder):
        _sample(config_of_seed, folder_of_seed, checkpoint)


def _sample(config, folder: Path, checkpoint: str) -> None:
    request = sample_request.request_of(config.sample)
    video.check(request.video)

    def check(opened: Session) -> None:
        sample_request.check(request, opened)

    with restoring.open_finished(config, folder, checkpoint, False, check) as (opened, state, step):
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
    """Writes points.csv or, for a table, rows.csv, and a picture of the rows beside the test split."""
    config, key, folder = opened.config, run_views.evaluation_key(opened.config), folder / "samples"
    if opened.table is None:
        path = folder / "points.csv"
        sample_grids.write_table(path, opened.views, players, key, config.sample.num_images)
    else:
        path = folder / "rows.csv"
        rows = sample_grids.points(opened.views, players, key, config.sample.num_images)
        write_csv(path, opened.table.columns, rows, opened.table.places)
    sample_grids.write_samples(config, opened.views, players, folder, step, opened.test.images)
    log.info("%d rows in %s, with a picture beside it", config.sample.num_images, path)


def _plain(opened: Session, players, step: int, folder: Path) -> None:
    """The numbered images of the config's latent sampler, grids, an interpolation and a traversal."""
    config, sampler, samples = opened.config, opened.config.sample.latent_sampler, folder / "samples"
    samplers = {}
    if sampler != latent_samplers.PRIOR:
        samplers = latent_samplers.fitted(opened, players, step, folder, (sampler,))
    view = run_views.bound_views(opened, players, samplers)[f"sample_{sampler}" if samplers else "sample"]
    images = samples / (f"images_{sampler}" if samplers else "images")
    count = config.sample.num_images
    batches = in_batches(view, BATCH, np.arange(count))
    _save_each((image for batch in batches for image in batch), images, map("{:06d}".format, range(count)))
    draw_fitted(opened, players, samplers, folder)
    image_grids.save(sample_grids.sample_grid(config, opened.views, players), samples / f"step_{step:07d}.png")
    if "latents" in opened.views.names:
        decode = opened.views.decode.bind(state=players)
        picture = sample_grids.interpolation_grid(config, opened.views, decode)
        image_grids.save(picture, samples / "interpolation.png")
    traversal.write(opened, players, samples / "traversal.png")
    log.info("%d images in %s, grids in %s", count, images, samples)


def _numbered(opened: Session, players, painter: Painter, request: Request, folder: Path) -> None:
    """The same latents as those of `_plain`, and as far as it goes the same noise, by the request's options."""
    config, views, suffix = opened.config, opened.views, request.suffix
    count, images = config.sample.num_images, folder / f"images{suffix}"
    ids = np.arange(count)
    latents = np.asarray(views.latents(run_views.evaluation_key(config), ids))
    batches = painter.of_latents(latents, painter.classes(ids), ids, usual_noise="random")
    _save_each((image for batch in batches for image in batch), images, map("{:06d}".format, ids))

    def decode(latents, ids):
        return np.concatenate(list(painter.of_latents(latents, painter.classes(ids), np.zeros(len(latents), int))))

    ids = np.arange(config.sample.rows * config.sample.columns)
    fixed = decode(np.asarray(views.latents(sample_grids.fixed_key(config), ids)), ids)
    image_grids.save(image_grids.grid(fixed, config.sample.columns), folder / f"grid{suffix}.png")
    picture = sample_grids.interpolation_grid(config, views, decode)
    image_grids.save(picture, folder / f"interpolation{suffix}.png")
    path = folder / f"traversal{suffix}.png"
    traversal.write(opened, players, path, lambda latents: decode(latents, np.zeros(len(latents))))
    log.info("%d images in %s, grids in %s", count, images, folder)


def _seeded(config, painter: Painter, request: Request, folder: Path) -> None:
    """The requested files: images of seeds and a grid of them, the style-mixing matrix, the video."""
    if request.seeds:
        names = map("seed{:04d}".format, request.seeds)
        _save_with_grid(
            painter.of_seeds(request.seeds), f"{folder}/seeds{request.suffix}", names, config.sample.columns
        )
    if request.rows:
        matrix = painter.style_mixing()
        path = folder / f"style_mixing_{'-'.join(map(str, request.layers))}{request.suffix}.png"
        image_grids.save(image_grids.grid(matrix.reshape(-1, *matrix.shape[2:]), matrix.shape[1]), path)
        log.info("style mixing in %s: images of the rows, layers %d to %d of the columns", path, *request.layers)
    if request.video:
        path = folder / f"seeds{request.suffix}.{request.video}"
        video.save(painter.frames(), path, request.video_fps)
        log.info("%d frames in %s", len(request.seeds) * request.video_frames, path)


def _of_file(config, painter: Painter, request: Request, folder: Path) -> None:
    """Images of styles that a projection left in a file, as they are: truncation is for styles that a seed gave."""
    name = Path(request.styles).stem + (f"_noise_{request.noise_mode}" if request.noise_mode else "")
    styles = read(request.styles, painter.num_ws, painter.w_dim)
    images = np.concatenate(list(painter.of_styles(styles, np.arange(len(styles)))))
    _save_with_grid(images, f"{folder}/{name}", map("{:06d}".format, range(len(images))), config.sample.columns)


def _save_each(images: Iterable[np.ndarray], folder: Path, names: Iterable[str]) -> None:
    """Writes <folder>/<name>.png of each image [H, W, C]."""
    for image, name in zip(images, names, strict=False):
        image_grids.save(image_grids.single(image), folder / f"{name}.png")


def _save_with_grid(images: np.ndarray, path: str, names: Iterable[str], columns: int) -> None:
    """Writes <path>/<name>.png of each image [H, W, C], and a grid of all images as <path>.png."""
    _save_each(images, Path(path), names)
    image_grids.save(image_grids.grid(images, min(columns, len(images))), Path(f"{path}.png"))
    log.info("%d images in %s, a grid in %s.png", len(images), path, path)


def draw_fitted(opened: Session, players, samplers: Mapping[str, LatentSampler], folder: Path) -> None:
    """A grid for each fitted latent sampler, samples/<name>.png."""
    rows, columns = opened.config.sample.rows, opened.config.sample.columns
    for name, view in run_views.bound_views(opened, players, samplers).items():
        if name.removeprefix("sample_") in samplers:
            grid = image_grids.grid(np.asarray(view(np.arange(rows * columns))), columns)
            image_grids.save(grid, folder / "samples" / f"{name.removeprefix('sample_')}.png")
