"""`--mode=project`: held-out images projected with a fixed budget, and how close the model comes to them."""

import json
import logging
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data import image_options
from jaxgen.data.container import IMAGE_SUFFIXES, open_container
from jaxgen.data.image_files import ImageFiles
from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.metrics.base import PAIR_VIEWS
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.records import format_table
from jaxgen.ops.pixels import to_uint8
from jaxgen.pictures import image_grids
from jaxgen.runs import restoring, run_views, session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import lookup
from jaxgen.views.projection import ProjectionBudget

log = logging.getLogger(__name__)
# What is measured whatever the config lists: distances of pairs that fit any image.
_METRICS = ("psnr", "ssim", "feature_distance")


def measure_pairs(config: ConfigDict) -> None:
    """Leaves metrics of pairs in the config, those that fit any image among them, and batches of a fitting size."""
    metrics = list(dict.fromkeys([*_METRICS, *config.evaluation.metrics]))
    with config.unlocked():
        # No more at a time than there are, unless devices could not share them.
        most = max(config.project.num_images, config.batch_size)
        config.evaluation.batch_size = min(config.evaluation.batch_size, most)
        config.evaluation.metrics = tuple(
            name for name in metrics if lookup.module("metrics", name, "config.evaluation.metrics").NEEDS in PAIR_VIEWS
        )


def targets_of(opened: session.Session) -> ImageSource:
    """What `config.project` asks to project: its first `num_images`, uint8, in the model's size and channels.

    Raises:
      UserError: `config.project.images` names nothing that can be read as images.
    """
    config = opened.config
    if not config.project.images:
        real = session.real_split(opened, config.data.test_split)
        return real._replace(images=real.images[: config.project.num_images])
    side, _, channels = opened.example_shape
    flag = "config.project.images"
    path = Path(config.project.images).expanduser()
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        images = ImageFiles(open_container(path.parent), [path.name], f"{flag}={path}", channels)
    else:
        images = open_source(config.project.images, Options(channels), flag).images
    if images is None or len(images.shape) != 4:
        raise UserError(f"{flag}={config.project.images}: holds no images: name a folder, a zip or a file of images")
    wanted = config.data.copy_and_resolve_references()
    wanted.image_size, wanted.channels = side, channels
    chosen = [
        image_options.apply(images[i : i + 1], wanted) for i in range(min(len(images), config.project.num_images))
    ]
    return ImageSource(np.concatenate(chosen), split=config.project.images)


def project(config: ConfigDict, folder: Path, checkpoint: str) -> None:
    """Writes projection.json (metrics named `..._inversion`), projections.npz and a picture of the pairs.

    Raises:
      UserError: a recipe without latents, or no checkpoint.
    """
    settings = config.project
    budget = ProjectionBudget(settings.steps, settings.restarts, settings.learning_rate)
    measure_pairs(config)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        if "points" in opened.views.names:
            raise UserError(f"--mode=project is for images, and {config.data.name} has vectors")
        if not {"latents", "decode"} <= set(opened.views.names):
            raise UserError(f"--mode=project: the recipe {config.recipe.name!r} has no latents to search")
        key, real = run_views.evaluation_key(config), targets_of(opened)
        parts: list[dict[str, np.ndarray]] = []

        def view(images, ids):
            log.info("projecting images %d to %d, %d steps, %d restarts", ids[0], ids[-1], *budget[:2])
            projection = opened.views.project(state.players, images, key, ids, budget)
            projection = projection._replace(images=to_uint8(projection.images))
            parts.append({name: np.asarray(values) for name, values in projection._asdict().items()})
            return projection.images

        results = session.evaluate(opened, state.players, settings.num_images, real=real, views={"project": view})
        count = len(real.images)  # without what fills up the last batch
        arrays = {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}
        search = {"space": "z", **budget._asdict(), "objective": "mean squared error of pixels, search in z"}
        write(opened, folder, step, results, search, {"targets": real.images, **arrays})


def write(
    opened: session.Session,
    folder: Path,
    step: int,
    results: dict,
    search: dict,
    arrays: dict[str, np.ndarray],
    suffix: str = "",
) -> None:
    """Writes the numbers, the arrays and the picture of pairs, and prints the numbers.

    Args:
      results: of the evaluation. search: how the projections were searched for; goes into every record.
      arrays: `targets`, `images` and the latents, by name. suffix: of the files' names.
    """
    for record in results.values():
        if "view" in record:
            record["inversion"] = search  # the files' word for a projection
    results["_run"] = {"config": session.settings_of(opened), "step": step, **session.provenance(opened)}
    np.savez(folder / f"projections{suffix}.npz", **arrays)
    picture = image_grids.pairs(arrays["targets"][:32], arrays["images"][:32])
    image_grids.save(picture, folder / "samples" / f"projections{suffix}_{step:07d}.png")
    path = folder / f"projection{suffix}.json"
    workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
    print(format_table(results))
    log.info("written to %s, %s and %s", path, folder / f"projections{suffix}.npz", folder / "samples")
