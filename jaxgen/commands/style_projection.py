"""`--mode=project` in w or W+: test images projected by StyleGAN2's projector, and how close it comes to them."""

import logging
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import projection
from jaxgen.errors import UserError
from jaxgen.metrics.extractors import perceptual
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.perceptual_path_length import shrunk
from jaxgen.pictures import evaluation_pictures, image_grids
from jaxgen.recipes.base import PyTree
from jaxgen.runs import restoring, run_views, session
from jaxgen.views import style_projection
from jaxgen.views.style_projection import Fit, Projector, StyleBudget

log = logging.getLogger(__name__)
SPACES = ("w", "w_plus")
# Shares of the steps; the last one is shown anyway.
_SHOWN_AFTER = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
_ON_A_DEVICE = 8
_ROWS = 8


def project(config: ConfigDict, folder: Path, checkpoint: str) -> None:
    """Writes projection_<space>.json (`psnr_inversion_w`), projections_<space>.npz and pictures of pairs and progress.

    The file of arrays holds targets, images, distance, w [n, D] or w_plus [n, L, D], and every noise map under its
    layer's name, `noise/b8.conv0` [n, 8, 8].

    Raises:
      UserError: a model without styles, or settings that cannot be.
    """
    space = config.project.space
    _check(config)
    projection.measure_pairs(config)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        if "mapping" not in opened.views.names:
            raise UserError(
                f"config.project.space={space!r} is for models with styles (stylegan2); {config.model.name} has none: z"
            )
        real = projection.targets_of(opened)
        search = _Search(opened, state.players, real)
        results = session.evaluate(
            opened, state.players, config.project.num_images, real=real, views={"project": search.view}
        )
        arrays, stages = search.arrays()
        strip = evaluation_pictures.progress(arrays["targets"][:_ROWS], stages)
        image_grids.save(strip, folder / "samples" / f"projection_progress_{space}_{step:07d}.png")
        results = {name if name.startswith("_") else f"{name}_{space}": record for name, record in results.items()}
        projection.write(opened, folder, step, results, search.record, arrays, suffix=f"_{space}")


def _check(config) -> None:
    settings = config.project
    for key in ("w_learning_rate", "w_noise", "noise_weight", "pixel_weight"):
        if not settings[key] >= 0:
            raise UserError(f"config.project.{key}={settings[key]}: it must be 0 or more")
    if not (settings.perceptual or settings.pixel_weight):
        raise UserError("config.project.perceptual='' and pixel_weight=0.0 leave nothing to minimise: set one")


class _Search:
    """Projects the images of an evaluation, in order, and keeps the projections."""

    def __init__(self, opened: session.Session, players: PyTree, targets: ImageSource):
        config, settings = opened.config, opened.config.project
        self._opened, self._players, self._targets = opened, players, targets
        self._key = run_views.evaluation_key(config)
        self._budget = StyleBudget(settings.w_steps, settings.w_learning_rate, settings.w_noise, settings.noise_weight)
        shape = opened.example_shape
        self._distance = perceptual.load(settings.perceptual, "config.project.perceptual", shape)
        views, weight = opened.recipe.views, settings.pixel_weight

        def embed(params, images):
            images = shrunk(images)  # as in the paper, 256 pixels are looked at
            return [*self._distance.embed(params, images), images * np.sqrt(weight / np.prod(images.shape[1:]))]

        num_ws, separate = opened.recipe.facts["synthesis"]["num_ws"], settings.space == "w_plus"
        self._projector = Projector(views["synthesis"], embed, num_ws, separate, self._budget, opened.mesh)
        self._starts: dict[int, tuple[np.ndarray, float]] = {}
        self._parts: list[dict[str, np.ndarray]] = []
        self._stages: list[dict[int, np.ndarray]] = []
        self.record = {
            "space": settings.space,
            **self._budget._asdict(),
            "w_samples": settings.w_samples,
            "perceptual": self._distance.name,
            "pixel_weight": weight,
            "objective": "perceptual distance + pixel_weight * mean squared error in [-1, 1] + noise regularisation",
        }

    def view(self, images: jax.Array, ids: np.ndarray) -> np.ndarray:
        """Projections of targets number `ids`, uint8; as "project" of `metrics.base.VIEWS`."""
        images, total = np.asarray(images), len(self._targets.images)
        wanted = min(len(images), total - ids[0])  # what fills up the last batch is not projected again
        # Every device has as many; all batches have one size, so that the step is compiled once.
        devices = self._opened.mesh.size
        size = min(_ON_A_DEVICE, -(-min(total, len(images)) // devices)) * devices
        made = [self._project(images, ids, np.arange(i, min(i + size, wanted)), size) for i in range(0, wanted, size)]
        return np.concatenate([*made, np.repeat(made[-1][-1:], len(images) - wanted, axis=0)])

    def _project(self, images: np.ndarray, ids: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
        count = len(rows)
        rows = np.pad(rows, (0, size - count), mode="edge")
        ids = ids[rows]
        log.info("projecting images %d to %d, %d steps", ids[0], ids[count - 1], self._budget.steps)
        starts = [self._start(label) for label in self._labels(ids)]
        noise_maps = self._opened.recipe.views["noise_maps"](self._players)
        noise = style_projection.initial_noise(noise_maps, jax.random.fold_in(self._key, 0), ids)
        projected = self._projector.project(
            self._players,
            self._distance.params,
            images[rows],
            Fit(np.stack([mean for mean, _ in starts])[:, None], noise),
            np.array([deviation for _, deviation in starts]),
            jax.random.fold_in(self._key, 1),
            ids,
            {int(share * self._budget.steps) for share in _SHOWN_AFTER},
        )
        w = np.asarray(projected.fit.ws)
        arrays = {"targets": images[rows], "images": projected.images, "distance": projected.distance}
        arrays |= {"w_plus": w} if self.record["space"] == "w_plus" else {"w": w[:, 0]}
        for path, maps in jax.tree_util.tree_leaves_with_path(projected.fit.noise):
            arrays["noise/" + ".".join(part.key for part in path[:-1])] = maps
        self._parts.append({name: np.asarray(values)[:count] for name, values in arrays.items()})
        self._stages.append({after: stage[:count] for after, stage in projected.progress.items()})
        return self._parts[-1]["images"]

    def _labels(self, ids: np.ndarray) -> np.ndarray:
        """The targets' own classes; of a model without classes all are the same."""
        if not self._opened.config.model.conditional:
            return np.zeros(len(ids), int)
        if self._targets.labels is None:  # images of one's own: their class is said, as for samples
            return np.full(len(ids), max(self._opened.config.sample.label, 0))
        return self._targets.labels[ids]

    def _start(self, label: int) -> tuple[np.ndarray, float]:
        """Mean and deviation of w, of this class."""
        label = int(label)
        if label not in self._starts:
            views = self._opened.views

            def mapping(latents):
                return views.mapping(self._players, latents, np.full(len(latents), label))

            z_dim = views.latents(self._key, np.arange(1)).shape[-1]
            count = self._opened.config.project.w_samples
            self._starts[label] = style_projection.w_statistics(mapping, z_dim, count)
        return self._starts[label]

    def arrays(self) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
        """All projections, by name of the array, and the first images at each stage of the search."""
        arrays = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        stages = {after: np.concatenate([part[after] for part in self._stages])[:_ROWS] for after in self._stages[0]}
        return arrays, stages
