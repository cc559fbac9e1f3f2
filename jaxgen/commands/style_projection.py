"""Projects the images of `--mode=project` into w or W+ by StyleGAN2's projector."""

import functools
import logging

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import perceptual
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.perceptual_path_length import shrunk
from jaxgen.recipes.base import PyTree
from jaxgen.runs import run_views
from jaxgen.runs.session import Session
from jaxgen.views import style_projection
from jaxgen.views.style_projection import Fit, Projector, StyleBudget

log = logging.getLogger(__name__)
# Shares of the steps; the last one is shown anyway.
_SHOWN_AFTER = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
_ON_A_DEVICE = 8
ROWS = 8


def check(settings: ConfigDict) -> None:
    """Refuses values of `config.project` that no search can use."""
    for key in ("w_learning_rate", "w_noise", "noise_weight", "pixel_weight"):
        if not settings[key] >= 0:
            raise UserError(f"config.project.{key}={settings[key]}: it must be 0 or more")
    if not (settings.perceptual or settings.pixel_weight):
        raise UserError("config.project.perceptual='' and pixel_weight=0.0 leave nothing to minimise. Set one of them")


class StyleSearch:
    """Projects the images of an evaluation into styles, in order, and keeps the projections."""

    def __init__(self, opened: Session, players: PyTree, targets: ImageSource):
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
        self._start = functools.cache(self._start_of_class)
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
        """Projections of the targets `ids`, uint8, as the view "project" of `metrics.base.VIEWS`."""
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
        starts = [self._start(int(label)) for label in self._labels(ids)]
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
        arrays = {"images": projected.images, "distance": projected.distance}
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

    def _start_of_class(self, label: int) -> tuple[np.ndarray, float]:
        """Mean and deviation of w, of this class."""
        views = self._opened.views

        def mapping(latents):
            return views.mapping(self._players, latents, np.full(len(latents), label))

        z_dim = views.latents(self._key, np.arange(1)).shape[-1]
        return style_projection.w_statistics(mapping, z_dim, self._opened.config.project.w_samples)

    def arrays(self, count: int) -> dict[str, np.ndarray]:
        """The first `count` projections, by array name."""
        return {name: np.concatenate([part[name] for part in self._parts])[:count] for name in self._parts[0]}

    def stages(self) -> dict[int, np.ndarray]:
        """The first images at each stage of the search."""
        return {after: np.concatenate([part[after] for part in self._stages])[:ROWS] for after in self._stages[0]}
