"""`--mode=sample`: pictures from a checkpoint."""

import logging
from pathlib import Path

import numpy as np

from jaxgen.commands import sample_request, style_files
from jaxgen.commands.painter import Painter
from jaxgen.data.table import write_csv
from jaxgen.evaluation import latent_samplers
from jaxgen.pictures import image_grids, video
from jaxgen.runs import restoring, run_views, session
from jaxgen.views import point_samples, sample_grids, traversal
from jaxgen.views.paths import slerp

log = logging.getLogger(__name__)
_INTERPOLATED = 10  # images of a row


def sample(config, folder: Path, checkpoint: str) -> None:
    """Writes single PNG files, a grid and an interpolation from a checkpoint into samples/; of vectors points.csv.

    Of a table it writes rows.csv, with its columns' names and in their units.

    With `config.sample.latent_sampler` they are of that density of latents: samples/images_<name>, samples/<name>.png.
    With seeds, a file of styles, a style-mixing matrix or a video in `config.sample` it writes these instead; settings
    such as truncation are in the files' names.

    Raises:
      UserError: something in `config.sample` that cannot be, or not with this model.
    """
    request = sample_request.request_of(config.sample)
    video.check(request.video)
    with restoring.open_finished(config, folder, checkpoint, needs_images=False) as (opened, state, step):
        num_classes = len(opened.dataset.class_names) if opened.train.labels is not None else 0
        num_ws = opened.recipe.facts.get("synthesis", {}).get("num_ws", 0)
        sample_request.check(request, config, opened.views.names, num_classes, num_ws)
        if request.is_plain:
            _plain(opened, state.players, step, folder)
            return
        painter = Painter(opened, state.players, request)
        if request.styles:
            _of_file(config, painter, request, folder / "samples")
        if request.seeds or request.rows:
            _seeded(config, painter, request, folder / "samples")
        elif not request.styles:
            _numbered(opened, state.players, painter, request, folder / "samples")


def _plain(opened: session.Session, players, step: int, folder: Path) -> None:
    config, sampler = opened.config, opened.config.sample.latent_sampler
    samplers = latent_samplers.fitted(opened, players, step, folder, (sampler,))
    if "points" in opened.views.names:
        key, table = run_views.evaluation_key(config), folder / "samples" / "points.csv"
        if opened.table is None:
            point_samples.write_table(table, opened.views, players, key, config.sample.num_images)
        else:
            rows = point_samples.points(opened.views, players, key, config.sample.num_images)
            table = table.with_name("rows.csv")
            write_csv(table, opened.table.columns, rows, opened.table.places)
        sample_grids.write_samples(config, opened.views, players, table.parent, step, opened.test.images)
        log.info("%d rows in %s, their picture beside it", config.sample.num_images, table)
        return
    view = run_views.bound_views(opened, players, samplers)[f"sample_{sampler}" if samplers else "sample"]
    images = folder / "samples" / (f"images_{sampler}" if samplers else "images")
    count, batch = config.sample.num_images, 64
    for start in range(0, count, batch):
        ids = np.arange(start, start + batch)  # one shape for all batches: compiled once
        for i, image in zip(ids, np.asarray(view(ids)), strict=True):
            if i < count:
                image_grids.save(image_grids.single(image), images / f"{i:06d}.png")
    draw_fitted(opened, players, samplers, folder)
    sample_grids.write_samples(config, opened.views, players, folder / "samples", step, opened.test.images)
    if "latents" in opened.views.names:
        picture = sample_grids.interpolation_grid(config, opened.views, players)
        image_grids.save(picture, folder / "samples" / "interpolation.png")
    draw_traversal(opened, players, folder)
    log.info("%d images in %s, grids in %s", count, images, folder / "samples")


def _numbered(opened: session.Session, players, painter: Painter, request, folder: Path) -> None:
    """The same latents as those of `_plain`, and as far as it goes the same noise, by the request's options."""
    config, views, suffix = opened.config, opened.views, request.suffix
    count, images = config.sample.num_images, folder / f"images{suffix}"
    ids = np.arange(count)
    latents = np.asarray(views.latents(run_views.evaluation_key(config), ids))
    shown = painter.of_latents(latents, painter.classes(ids), ids, usual_noise="random")
    for i, image in enumerate(image for batch in shown for image in batch):
        image_grids.save(image_grids.single(image), images / f"{i:06d}.png")
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
    picture = traversal.draw(opened, players, lambda latents: decode(latents, painter.classes(np.zeros(len(latents)))))
    if picture is not None:
        image_grids.save(picture, folder / f"traversal{suffix}.png")
    log.info("%d images in %s, grids in %s", count, images, folder)


def _seeded(config, painter: Painter, request, folder: Path) -> None:
    """Images of seeds and a grid of them, the style-mixing matrix, the video: what was asked for."""
    if request.seeds:
        images, single = painter.of_seeds(request.seeds), folder / f"seeds{request.suffix}"
        for seed, image in zip(request.seeds, images, strict=True):
            image_grids.save(image_grids.single(image), single / f"seed{seed:04d}.png")
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


def _of_file(config, painter: Painter, request, folder: Path) -> None:
    """Images of styles that a projection left in a file, as they are: truncation is for styles that a seed gave."""
    name = Path(request.styles).stem + (f"_noise_{request.noise_mode}" if request.noise_mode else "")
    styles = style_files.read(request.styles, painter.num_ws, painter.w_dim, "config.sample.styles")
    images = np.concatenate(list(painter.of_styles(styles, np.arange(len(styles)))))
    for i, image in enumerate(images):
        image_grids.save(image_grids.single(image), folder / name / f"{i:06d}.png")
    image_grids.save(image_grids.grid(images, min(config.sample.columns, len(images))), folder / f"{name}.png")
    log.info("%d images in %s, a grid in %s.png", len(images), folder / name, folder / name)


def draw_traversal(opened: session.Session, players, folder: Path) -> None:
    """samples/traversal.png, where there are latents to walk in."""
    if traversal.offered(opened) and (picture := traversal.draw(opened, players)) is not None:
        image_grids.save(picture, folder / "samples" / "traversal.png")


def draw_fitted(opened: session.Session, players, samplers, folder: Path) -> None:
    """A grid for each fitted latent sampler, samples/<name>.png."""
    rows, columns = opened.config.sample.rows, opened.config.sample.columns
    for name, view in run_views.bound_views(opened, players, samplers).items():
        if name.removeprefix("sample_") in samplers:
            grid = image_grids.grid(np.asarray(view(np.arange(rows * columns))), columns)
            image_grids.save(grid, folder / "samples" / f"{name.removeprefix('sample_')}.png")
