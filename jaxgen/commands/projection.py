"""`--mode=project`: held-out images inverted with a fixed budget, and how close the model comes to them."""

import json
import logging
from pathlib import Path

import numpy as np

from jaxgen.data import image_options
from jaxgen.data.container import IMAGE_SUFFIXES, open_container
from jaxgen.data.image_files import ImageFiles
from jaxgen.errors import UserError
from jaxgen.evaluation.engine import Real
from jaxgen.files import workdir
from jaxgen.metrics.base import PAIR_VIEWS
from jaxgen.metrics.table import format_table
from jaxgen.pictures import image_grids
from jaxgen.runs import restoring, run_views, session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import lookup
from jaxgen.views.inversion import Budget

log = logging.getLogger(__name__)
# What is measured whatever the config lists: distances of pairs that fit any image.
_METRICS = ("psnr", "ssim", "feature_distance")


def measure_pairs(config) -> None:
    """Leaves metrics of pairs in the config, those that fit any image among them, and batches of a fitting size."""
    metrics = list(dict.fromkeys([*_METRICS, *config.evaluation.metrics]))
    with config.unlocked():
        # No more at a time than there are, unless devices could not share them.
        most = max(config.project.num_images, config.batch_size)
        config.evaluation.batch_size = min(config.evaluation.batch_size, most)
        config.evaluation.metrics = tuple(
            name for name in metrics if lookup.module("metrics", name, "config.evaluation.metrics").NEEDS in PAIR_VIEWS
        )


def targets_of(opened: session.Session) -> Real:
    """What `config.project` asks to invert: its first `num_images`, uint8, in the model's size and channels.

    Raises:
      UserError: `config.project.images` names nothing that can be read as images.
    """
    config = opened.config
    if not config.project.images:
        real = session.real_split(opened, config.data.test_split)
        return real._replace(images=real.images[: config.project.num_images])
    side, _, channels = opened.train.images.shape[1:]
    flag = "config.project.images"
    path = Path(config.project.images).expanduser()
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        images = ImageFiles(open_container(path.parent), [path.name], f"{flag}={path}", channels)
    else:
        images = open_source(config.project.images, Options(channels), flag).real.images
    if images is None or len(images.shape) != 4:
        raise UserError(f"{flag}={config.project.images}: holds no images: name a folder, a zip or a file of images")
    wanted = config.data.copy_and_resolve_references()
    wanted.image_size, wanted.channels = side, channels
    chosen = [
        image_options.apply(images[i : i + 1], wanted) for i in range(min(len(images), config.project.num_images))
    ]
    return Real(np.concatenate(chosen), split=config.project.images)


def project(config, folder: Path, checkpoint: str) -> None:
    """Writes projection.json (metrics named `..._inversion`), projections.npz and a picture of the pairs.

    Raises:
      UserError: a recipe without latents, or no checkpoint.
    """
    settings = config.project
    budget = Budget(settings.steps, settings.restarts, settings.learning_rate)
    measure_pairs(config)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        if "points" in opened.views.names:
            raise UserError(f"--mode=project inverts images, and {config.data.name} has vectors")
        if not {"latents", "decode"} <= set(opened.views.names):
            raise UserError(f"--mode=project: the recipe {config.recipe.name!r} has no latents to search")
        key = run_views.evaluation_key(config)
        found = {"latents": [], "images": [], "error": []}

        def invert(images):
            done = sum(len(part) for part in found["error"])
            ids = np.arange(done, done + len(images))
            log.info("inverting images %d to %d, %d steps, %d restarts", done, ids[-1], *budget[:2])
            inversion = opened.views.project(state.players, images, key, ids, budget)
            for name, values in inversion._asdict().items():
                found[name].append(np.asarray(values))
            return inversion.images

        real = targets_of(opened)
        targets = real.images
        results = session.evaluate(opened, state.players, settings.num_images, real=real, views={"project": invert})
        arrays = {name: np.concatenate(parts)[: len(targets)] for name, parts in found.items()}
        for record in results.values():
            if "view" in record:
                record["inversion"] = {
                    "space": "z",
                    **budget._asdict(),
                    "objective": "mean squared error of pixels, search in z",
                }
        results["_run"] = {"config": session.settings_of(opened), "step": step, **session.provenance(opened)}
        np.savez(folder / "projections.npz", targets=targets, **arrays)
        shown = image_grids.pairs(targets[:32], arrays["images"][:32])
        image_grids.save(shown, folder / "samples" / f"projections_{step:07d}.png")
        workdir.write_atomic(folder / "projection.json", json.dumps(results, indent=1) + "\n")
        print(format_table(results))
        log.info("written to %s, %s and %s", folder / "projection.json", folder / "projections.npz", folder / "samples")
