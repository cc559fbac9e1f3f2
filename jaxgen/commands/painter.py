"""Images of chosen latents: seeds, truncation, classes, noise, style mixing, and ways between latents."""

import math
from collections.abc import Iterator

import jax
import numpy as np
from scipy.interpolate import CubicSpline

from jaxgen.commands.sample_request import Request
from jaxgen.models.stylegan2.layers import broadcast, truncate
from jaxgen.recipes.base import PyTree
from jaxgen.runs import run_views
from jaxgen.runs.session import Session
from jaxgen.views.views import in_batches, slerp

_BATCH = 16


def seeded_latents(seeds, z_dim: int) -> np.ndarray:
    """z of each seed, float32 [n, z_dim], drawn as in NVIDIA's scripts for StyleGAN2."""
    return np.concatenate([np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]).astype(np.float32)


def closed_path(points: np.ndarray, frames: int, kind: str) -> np.ndarray:
    """A closed path through `points` [K, D], [K * frames, D]. Each point is `frames` steps after the one before.

    Args:
      kind: "spline" or "slerp". A periodic cubic spline changes speed and direction smoothly at the points. Slerp
        follows great circles.
    """
    ends = np.concatenate([points, points[:1]]).astype(np.float64)
    if kind == "slerp":
        return slerp(ends[:-1], ends[1:], np.arange(frames) / frames).reshape(-1, points.shape[1])
    steps = np.arange(len(points) * frames) / frames
    return CubicSpline(np.arange(len(ends)), ends, bc_type="periodic")(steps)


def kept_long(path: np.ndarray, points: np.ndarray, frames: int) -> np.ndarray:
    """The path, scaled so that its length changes linearly between neighbouring `points`.

    Latents of a Gaussian prior all have nearly the same length. A spline between them passes through shorter vectors.
    """
    lengths = np.linalg.norm(np.concatenate([points, points[:1]]), axis=1)
    wanted = np.interp(np.arange(len(path)) / frames, np.arange(len(lengths)), lengths)
    return path * (wanted / np.linalg.norm(path, axis=1))[:, None]


class Painter:
    """Images of a trained state by the options of a request.

    Args:
      opened: the run. players: the players of its state.
      request: a request checked by `sample_request.check`.
    """

    def __init__(self, opened: Session, players: PyTree, request: Request):
        self._views, self._players, self._request = opened.views, players, request
        self._noise_key = jax.random.fold_in(run_views.evaluation_key(opened.config), 1)  # as that of "sample"
        self._num_classes = opened.num_classes
        images = max(len(request.seeds), len(request.rows) * len(request.columns))
        self._size = _BATCH if request.video or not images else min(images, _BATCH)
        self.has_styles = "mapping" in opened.views.names
        self.num_ws = opened.recipe.facts["synthesis"]["num_ws"] if self.has_styles else 0
        self._shape = opened.views.latents(self._noise_key, np.arange(1)).shape[1:]  # of an image in diffusion models
        self.z_dim = math.prod(self._shape)

    @property
    def w_dim(self) -> int:
        """Size of w. It exists for models with styles only."""
        return self._views.w_average(self._players).shape[-1]

    def classes(self, numbers) -> np.ndarray:
        """The class of each seed or number: the requested class, or all classes in turn."""
        numbers = np.asarray(numbers, np.int64)
        label = self._request.label
        return np.full(numbers.shape, label) if label >= 0 else numbers % max(self._num_classes, 1)

    def w(self, latents: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """w [n, D] of latents [n, Z], before truncation."""
        parts = in_batches(lambda *part: self._views.mapping(self._players, *part), self._size, latents, classes)
        return np.concatenate(list(parts))

    def styles(self, w: np.ndarray) -> np.ndarray:
        """Truncated styles [n, L, D] of w [n, D]."""
        ws, average = broadcast(np.asarray(w, np.float32), self.num_ws), self._views.w_average(self._players)
        return np.asarray(truncate(ws, np.asarray(average), self._request.truncation, self._request.cutoff))

    def of_styles(self, ws: np.ndarray, numbers, usual_noise: str = "const") -> Iterator[np.ndarray]:
        """Images of styles [n, L, D] in batches. `numbers` choose the random noise."""
        noise = self._request.noise_mode or usual_noise

        def synthesis(ws, ids):
            return self._views.synthesis(self._players, ws, noise, self._noise_key, ids)

        return in_batches(synthesis, self._size, ws, np.asarray(numbers, np.int64))

    def of_latents(
        self, latents: np.ndarray, classes: np.ndarray, numbers, usual_noise: str = "const"
    ) -> Iterator[np.ndarray]:
        """Images of latents [n, Z] or [n, ...] in batches, uint8 [b, H, W, C]."""
        if self.has_styles:
            return self.of_styles(self.styles(self.w(latents, classes)), numbers, usual_noise)
        latents = latents.reshape(-1, *self._shape)
        return in_batches(lambda *part: self._views.decode(self._players, *part), self._size, latents, classes)

    def of_seeds(self, seeds) -> np.ndarray:
        """Images of seeds, uint8 [n, H, W, C]."""
        latents = seeded_latents(seeds, self.z_dim)
        return np.concatenate(list(self.of_latents(latents, self.classes(seeds), seeds)))

    def style_mixing(self) -> np.ndarray:
        """The matrix of Karras et al. 2019, figure 3, uint8 [rows + 1, columns + 1, H, W, C].

        Row and column 0 hold the sources, with a white corner. Each other image has the row's styles, but the column's
        styles in `layers`.
        """
        rows, columns = self._request.rows, self._request.columns
        first, last = self._request.layers
        seeds = np.array([*rows, *columns])
        ws = self.styles(self.w(seeded_latents(seeds, self.z_dim), self.classes(seeds)))
        mixed = np.repeat(ws[: len(rows), None], len(columns), axis=1)
        mixed[:, :, first : last + 1] = ws[None, len(rows) :, first : last + 1]
        everything = np.concatenate([ws, mixed.reshape(-1, *ws.shape[1:])])
        numbers = np.concatenate([seeds, np.repeat(rows, len(columns))])
        images = np.concatenate(list(self.of_styles(everything, numbers)))
        matrix = np.full((len(rows) + 1, len(columns) + 1, *images.shape[1:]), 255, np.uint8)
        matrix[1:, 0], matrix[0, 1:] = images[: len(rows)], images[len(rows) : len(seeds)]
        matrix[1:, 1:] = images[len(seeds) :].reshape(len(rows), len(columns), *images.shape[1:])
        return matrix

    def frames(self) -> Iterator[np.ndarray]:
        """Images [H, W, C] of the closed path through the seeds, in w if the model has it, else in z of one class."""
        request, seeds = self._request, self._request.seeds
        latents = seeded_latents(seeds, self.z_dim)
        points = self.w(latents, self.classes(seeds)) if self.has_styles else latents
        path = closed_path(points, request.video_frames, request.video_path)
        numbers = np.full(len(path), seeds[0])  # random noise, if asked for, is at least the same in all frames
        if self.has_styles:
            batches = self.of_styles(self.styles(path), numbers)
        else:
            path = kept_long(path, points, request.video_frames)
            classes = np.full(len(path), max(request.label, 0))
            batches = self.of_latents(path.astype(np.float32), classes, numbers)
        for batch in batches:
            yield from batch
