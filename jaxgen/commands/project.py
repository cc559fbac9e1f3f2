"""`--mode=project`: inverts held-out images with a fixed budget, and measures how close the model comes to them."""

import json
import logging
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import run_request, style_projection
from jaxgen.data import image_options
from jaxgen.data.container import open_container
from jaxgen.data.image_files import ImageFiles
from jaxgen.data.image_formats import is_image
from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.metrics.base import PAIR_VIEWS
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.records import format_table
from jaxgen.ops.pixels import to_uint8
from jaxgen.pictures import evaluation_pictures, image_grids
from jaxgen.recipes.base import PyTree
from jaxgen.runs import feature_network, restoring, run_views, session
from jaxgen.runs.session import Session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import configuration, lookup
from jaxgen.views.projection import ProjectionBudget

log = logging.getLogger(__name__)
# What is measured whatever the config lists: distances of pairs that fit any image.
_METRICS = ("psnr", "ssim", "feature_distance")


def project(config: ConfigDict, folder: Path, checkpoint: str) -> str:
    """Inverts images in the space `config.project.space`. With several seeds it writes into the folder of each.

    Space z: writes projection.json (metrics named `..._inversion`), projections.npz (targets, images, latents, error)
    and a picture of the pairs. Spaces w and W+: writes projection_<space>.json (`psnr_inversion_w`),
    projections_<space>.npz and pictures of pairs and progress. Their file of arrays holds distance, w [n, D] or w_plus
    [n, L, D]. It also holds every noise map by its layer's name, `noise/b8.conv0` [n, 8, 8].

    Returns:
      The table of each seed.

    Raises:
      UserError: the model has no such space, settings or images are impossible, or there is no checkpoint.
    """
    return "\n".join(_project(alone, own, checkpoint) for alone, own in restoring.each_seed(config, folder))


def _project(config: ConfigDict, folder: Path, checkpoint: str) -> str:
    _measure_pairs(config)
    config, told = feature_network.settle(config, folder)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        if told:
            log.info("evaluation: %s", told)
        run_request.check_projected(config, opened.views.names)
        real = targets_of(opened)
        if config.project.space == "z":
            search, suffix = _LatentSearch(opened, state.players), ""
        else:
            search = style_projection.StyleSearch(opened, state.players, real)
            suffix = f"_{config.project.space}"
        count, views = config.project.num_images, {"project": search.view}
        results = run_views.evaluate(opened, state.players, count, real=real, views=views)
        arrays = {"targets": real.images, **search.arrays(len(real.images))}
        if suffix:
            rows = style_projection.ROWS
            strip = evaluation_pictures.progress(arrays["targets"][:rows], search.stages())
            image_grids.save(strip, folder / "samples" / f"projection_progress{suffix}_{step:07d}.png")
            results = {name if name.startswith("_") else f"{name}{suffix}": record for name, record in results.items()}
        for record in results.values():
            if "view" in record:
                record["inversion"] = search.record  # the files' word for a projection
        settings = configuration.to_dict(config)
        results["_run"] = {"config": settings, "step": step, **session.provenance(opened)}
    np.savez(folder / f"projections{suffix}.npz", **arrays)
    picture = image_grids.pairs(arrays["targets"][:32], arrays["images"][:32])
    image_grids.save(picture, folder / "samples" / f"projections{suffix}_{step:07d}.png")
    path = folder / f"projection{suffix}.json"
    workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
    log.info("written to %s, %s and %s", path, folder / f"projections{suffix}.npz", folder / "samples")
    return format_table(results)


def _measure_pairs(config: ConfigDict) -> None:
    """Leaves metrics of pairs in the config, with at least one for any image, and batches of a suitable size."""
    metrics = list(dict.fromkeys([*_METRICS, *config.evaluation.metrics]))
    with config.unlocked():
        # No more at a time than there are, unless devices could not share them.
        most = max(config.project.num_images, config.batch_size)
        config.evaluation.batch_size = min(config.evaluation.batch_size, most)
        config.evaluation.metrics = tuple(
            name for name in metrics if lookup.module("metrics", name, "config.evaluation.metrics").NEEDS in PAIR_VIEWS
        )


def targets_of(opened: Session) -> ImageSource:
    """The images to project: the first `num_images` of `config.project`, uint8, in the model's size and channels.

    Raises:
      UserError: `config.project.images` names no readable images.
    """
    config = opened.config
    if not config.project.images:
        real = session.real_split(opened, config.data.test_split)
        return real._replace(images=real.images[: config.project.num_images])
    side, _, channels = opened.example_shape
    flag = "config.project.images"
    path = Path(config.project.images)
    if path.is_file() and is_image(path.name):
        images = ImageFiles(open_container(path.parent), [path.name], f"{flag}={path}", channels)
    else:
        images = open_source(config.project.images, Options(channels), flag).images
    if images is None or len(images.shape) != 4:
        raise UserError(f"{flag}={config.project.images} holds no images. Name a folder, a zip or a file of images")
    wanted = config.data.copy_and_resolve_references()
    wanted.image_size, wanted.channels = side, channels
    chosen = [
        image_options.apply(images[i : i + 1], wanted) for i in range(min(len(images), config.project.num_images))
    ]
    return ImageSource(np.concatenate(chosen), split=config.project.images)


class _LatentSearch:
    """Projects the images of an evaluation into z, in order, and keeps the projections."""

    def __init__(self, opened: Session, players: PyTree):
        settings = opened.config.project
        self._budget = ProjectionBudget(settings.steps, settings.restarts, settings.learning_rate)
        self._opened, self._players = opened, players
        self._parts: list[dict[str, np.ndarray]] = []
        self.record = {
            "space": "z",
            **self._budget._asdict(),
            "objective": "mean squared error of pixels, search in z",
        }

    def view(self, images: jax.Array, ids: np.ndarray) -> np.ndarray:
        """Projections of targets number `ids`, uint8; as "project" of `metrics.base.VIEWS`."""
        log.info("projecting images %d to %d, %d steps, %d restarts", ids[0], ids[-1], *self._budget[:2])
        key = run_views.evaluation_key(self._opened.config)
        projection = self._opened.views.project(self._players, images, key, ids, self._budget)
        projection = projection._replace(images=to_uint8(projection.images))
        self._parts.append({name: np.asarray(values) for name, values in projection._asdict().items()})
        return projection.images

    def arrays(self, count: int) -> dict[str, np.ndarray]:
        """The first `count` projections, by array name. Padding of the last batch is cut off."""
        return {name: np.concatenate([part[name] for part in self._parts])[:count] for name in self._parts[0]}
