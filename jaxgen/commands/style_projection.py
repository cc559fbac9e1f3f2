"""`--mode=project` in w or W+: test images inverted by StyleGAN2's projector, and how close it comes to them."""

import json
import logging
from pathlib import Path

import jax
import numpy as np

from jaxgen.commands.projection import measure_pairs, targets_of
from jaxgen.errors import UserError
from jaxgen.evaluation.engine import Real
from jaxgen.files import workdir
from jaxgen.metrics.extractors import perceptual
from jaxgen.metrics.perceptual_path_length import shrunk
from jaxgen.metrics.table import format_table
from jaxgen.pictures import evaluation_pictures, image_grids
from jaxgen.runs import restoring, run_views, session
from jaxgen.views import style_inversion
from jaxgen.views.style_inversion import Budget, Fit, Projector

log = logging.getLogger(__name__)
SPACES = ("w", "w_plus")
# Of the steps; the last one is shown anyway.
_SHOWN_AFTER = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
_ON_A_DEVICE = 8
_ROWS = 8


def project(config, folder: Path, checkpoint: str) -> None:
    """Writes projection_<space>.json (`psnr_inversion_w`), projections_<space>.npz and pictures of pairs and progress.

    The file of arrays holds targets, images, distance, w [n, D] or w_plus [n, L, D], and every noise map under its
    layer's name, `noise/b8.conv0` [n, 8, 8].

    Raises:
      UserError: a model without styles, or settings that cannot be.
    """
    space = config.project.space
    _check(config)
    measure_pairs(config)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        if "mapping" not in opened.views.names:
            raise UserError(
                f"config.project.space={space!r} is for models with styles (stylegan2); {config.model.name} has none: z"
            )
        real = targets_of(opened)
        search = _Search(opened, state.players, real)
        results = session.evaluate(
            opened, state.players, config.project.num_images, real=real, views={"project": search}
        )
        arrays, stages = search.arrays()
        results = {name if name.startswith("_") else f"{name}_{space}": record for name, record in results.items()}
        for record in results.values():
            if "view" in record:
                record["inversion"] = search.told
        results["_run"] = {"config": session.settings_of(opened), "step": step, **session.provenance(opened)}
        np.savez(folder / f"projections_{space}.npz", **arrays)
        name = f"_{space}_{step:07d}.png"
        shown = image_grids.pairs(arrays["targets"][:32], arrays["images"][:32])
        image_grids.save(shown, folder / "samples" / f"projections{name}")
        strip = evaluation_pictures.progress(arrays["targets"][:_ROWS], stages)
        image_grids.save(strip, folder / "samples" / f"projection_progress{name}")
        path = folder / f"projection_{space}.json"
        workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
        print(format_table(results))
        log.info("written to %s, projections_%s.npz beside it, and %s", path, space, folder / "samples")


def _check(config) -> None:
    settings = config.project
    for key in ("w_learning_rate", "w_noise", "noise_weight", "pixel_weight"):
        if not settings[key] >= 0:
            raise UserError(f"config.project.{key}={settings[key]}: it must be 0 or more")
    if not (settings.perceptual or settings.pixel_weight):
        raise UserError("config.project.perceptual='' and pixel_weight=0.0 leave nothing to minimise: set one")


class _Search:
    """The view "project" of an evaluation: inverts the images that it is given, in order, and keeps what it found."""

    def __init__(self, opened: session.Session, players, targets: Real):
        config, settings = opened.config, opened.config.project
        self._opened, self._players = opened, players
        self._key = run_views.evaluation_key(config)
        self._labels_of_targets, self._total = targets.labels, len(targets.images)
        self._budget = Budget(settings.w_steps, settings.w_learning_rate, settings.w_noise, settings.noise_weight)
        shape = opened.train.images.shape[1:]
        self._distance = perceptual.load(settings.perceptual, "config.project.perceptual", shape)
        views, weight = opened.recipe.views, settings.pixel_weight

        def embed(params, images):
            images = shrunk(images)  # as in the paper, 256 pixels are looked at
            return [*self._distance.embed(params, images), images * np.sqrt(weight / np.prod(images.shape[1:]))]

        self._projector = Projector(
            views["synthesis"],
            embed,
            opened.recipe.facts["synthesis"]["num_ws"],
            settings.space == "w_plus",
            self._budget,
            opened.mesh,
        )
        self._starts: dict[int, tuple[np.ndarray, float]] = {}
        self._found: list[dict[str, np.ndarray]] = []
        self._progress: list[dict[int, np.ndarray]] = []
        self.told = {
            "space": settings.space,
            **self._budget._asdict(),
            "w_samples": settings.w_samples,
            "perceptual": self._distance.name,
            "pixel_weight": weight,
            "objective": "perceptual distance + pixel_weight * mean squared error in [-1, 1] + noise regularisation",
        }

    def __call__(self, images) -> np.ndarray:
        images = np.asarray(images)
        done = sum(len(part["images"]) for part in self._found)
        wanted = min(len(images), self._total - done)  # what fills up the last batch is not inverted again
        # Every device has as many; all batches have one size, so that the step is compiled once.
        devices = self._opened.mesh.size
        size = min(_ON_A_DEVICE, -(-min(self._total, len(images)) // devices)) * devices
        made = [self._invert(images, done, np.arange(i, min(i + size, wanted)), size) for i in range(0, wanted, size)]
        return np.concatenate([*made, np.repeat(made[-1][-1:], len(images) - wanted, axis=0)])

    def _invert(self, images: np.ndarray, done: int, rows: np.ndarray, size: int) -> np.ndarray:
        count = len(rows)
        rows = np.pad(rows, (0, size - count), mode="edge")
        ids = done + rows
        log.info("inverting images %d to %d, %d steps", ids[0], ids[count - 1], self._budget.steps)
        starts = [self._start(label) for label in self._labels(ids)]
        noise_maps = self._opened.recipe.views["noise_maps"](self._players)
        noise = style_inversion.initial_noise(noise_maps, jax.random.fold_in(self._key, 0), ids)
        found = self._projector.invert(
            self._players,
            self._distance.params,
            images[rows],
            Fit(np.stack([mean for mean, _ in starts])[:, None], noise),
            np.array([deviation for _, deviation in starts]),
            jax.random.fold_in(self._key, 1),
            ids,
            {int(share * self._budget.steps) for share in _SHOWN_AFTER},
        )
        w = np.asarray(found.fit.ws)
        kept = {"targets": images[rows], "images": found.images, "distance": found.distance}
        kept |= {"w_plus": w} if self.told["space"] == "w_plus" else {"w": w[:, 0]}
        for path, maps in jax.tree_util.tree_leaves_with_path(found.fit.noise):
            kept["noise/" + ".".join(part.key for part in path[:-1])] = maps
        self._found.append({name: np.asarray(values)[:count] for name, values in kept.items()})
        self._progress.append({after: shown[:count] for after, shown in found.progress.items()})
        return self._found[-1]["images"]

    def _labels(self, ids: np.ndarray) -> np.ndarray:
        """The targets' own classes; of a model without classes all are the same."""
        if not self._opened.config.model.conditional:
            return np.zeros(len(ids), int)
        if self._labels_of_targets is None:  # images of one's own: their class is said, as for samples
            return np.full(len(ids), max(self._opened.config.sample.label, 0))
        return self._labels_of_targets[ids]

    def _start(self, label: int) -> tuple[np.ndarray, float]:
        """Mean and deviation of w, of this class."""
        label = int(label)
        if label not in self._starts:
            views = self._opened.views

            def mapping(latents):
                return views.mapping(self._players, latents, np.full(len(latents), label))

            z_dim = views.latents(self._key, np.arange(1)).shape[-1]
            count = self._opened.config.project.w_samples
            self._starts[label] = style_inversion.w_statistics(mapping, z_dim, count)
        return self._starts[label]

    def arrays(self) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
        """Everything found, by name, and the first images at each stage of the search."""
        arrays = {name: np.concatenate([part[name] for part in self._found]) for name in self._found[0]}
        shown = {after: np.concatenate([p[after] for p in self._progress])[:_ROWS] for after in self._progress[0]}
        return arrays, shown
