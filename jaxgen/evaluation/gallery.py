"""Draws the pictures of one evaluation, from images and features that its metrics compute anyway."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from jaxgen.metrics import manifold
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.collected import Collected, StreamSubset, indices, of_output
from jaxgen.metrics.extractors.statistics_file import write_arrays
from jaxgen.metrics.image_set import Pixels
from jaxgen.metrics.tabular import tables_of
from jaxgen.pictures import evaluation_pictures, image_grids, point_pictures, table_pictures

log = logging.getLogger(__name__)
KEPT = 1000  # samples, and real images, that pictures are made of at most
_GRID, _COLUMNS = 64, 8
_NEIGHBOURS, _ROWS = 5, 12
_PAIRS = 16
_TRAIN_AT_ONCE = 5000
# Features of so many samples and real images are left for pictures of several models in one plane.
_LEFT = 400


class Gallery:
    """Keeps 1,000 seeded samples of the stream, then draws them (`metrics.base.Accumulator` in shape).

    Args:
      context: the context of the view "sample". With an extractor there are pictures of features too.
      folder: folder for the PNG files.
    """

    def __init__(self, context: Context, folder: Path):
        self._context, self._folder = context, folder
        self._samples = StreamSubset(context.n_fake, KEPT, context.seed)
        # The metrics ask for these features too, and a batch computes them once.
        self._features = StreamSubset(
            context.n_fake, KEPT, context.seed, lambda batch: batch.features(context.extractor)[0]
        )

    def update(self, batch: OutputBatch) -> None:
        """Keeps the samples of the subset."""
        self._samples.update(batch)
        if self._context.extractor is not None:
            self._features.update(batch)

    def result(self) -> dict[str, Path]:
        """Draws real_beside_fake, nearest_training_images, figure2. With an extractor: tsne, closest_pairs, classes."""
        context, samples = self._context, self._samples.rows()
        drawn = {}
        if context.real is not None and context.real.images is not None:
            images = context.real.images
            some = np.asarray(images[indices(len(images), _GRID, context.seed)])
            drawn["real_beside_fake"] = evaluation_pictures.real_beside_fake(some, samples[:_GRID])
        if context.train is not None:
            rows = samples[:_ROWS]
            nearest = nearest_by_pixels(rows, context.train.images, _NEIGHBOURS)
            drawn["nearest_training_images"] = evaluation_pictures.neighbours(rows, context.train.images, nearest)
            whole = samples[: min(len(samples), _GRID) // _COLUMNS * _COLUMNS]
            if len(whole):
                last = nearest_by_pixels(whole[_COLUMNS - 1 :: _COLUMNS], context.train.images, 1)[:, 0]
                drawn["figure2"] = evaluation_pictures.figure2(whole, np.asarray(context.train.images[last]), _COLUMNS)
        if context.extractor is not None:
            drawn |= self._of_features(samples)
        return _save(drawn, self._folder)

    def _of_features(self, samples: np.ndarray) -> dict:
        context, drawn = self._context, {}
        log.info("drawing features of %d samples ...", len(samples))
        fake = self._features.rows()
        if len(samples) > 1:
            ids, distances = manifold.nearest(fake, None)
            nearest = enumerate(zip(ids[:, 0].tolist(), distances[:, 0], strict=True))
            pairs = {(min(i, j), max(i, j)): distance for i, (j, distance) in nearest}
            closest = sorted(pairs, key=pairs.get)[:_PAIRS]
            distances = np.array([pairs[pair] for pair in closest])
            drawn["closest_pairs"] = evaluation_pictures.duplicates(samples, np.array(closest), distances)
        if context.real is None or context.real.images is None:
            return drawn
        chosen = indices(len(context.real.images), KEPT, context.seed)
        real = context.real.features_of(chosen, context.extractor)
        save_features(self._folder, real, fake, context.extractor)
        if len(samples) + len(real) > 10:
            drawn["tsne"] = evaluation_pictures.tsne(real, fake, context.seed, f"t-SNE of {context.extractor} features")
        if context.real.labels is not None:
            # The class of the nearest real image: rough, but it needs no classifier beside the network.
            labels = context.real.labels[chosen][manifold.nearest(fake, real)[0][:, 0]]
            names = context.real.class_names
            drawn["samples_by_class"] = evaluation_pictures.per_class(samples, labels, names)
        return drawn


def point_gallery(context: Context, folder: Path) -> Collected:
    """Keeps all generated points, which are small, and draws them over the real points. Arguments as for `Gallery`.

    The picture is real_and_generated. Tables have marginals, correlations, pca and tsne.
    """

    def draw(fake: np.ndarray) -> dict[str, Path]:
        if context.real is None or context.real.images is None:
            return {}
        columns = context.info.get("points", {}).get("columns")
        if columns and context.train is not None:
            return _draw_table(context, folder, columns, fake)
        real = np.asarray(context.real.images[:])
        save_features(folder, real, fake, "")
        cloud = point_pictures.cloud(real, fake, f"{len(fake)} generated points")
        return _save({"real_and_generated": cloud}, folder)

    return of_output(draw)


def _draw_table(context: Context, folder: Path, columns: list, fake: np.ndarray) -> dict[str, Path]:
    if not np.isfinite(fake).all():
        log.warning("no pictures: some generated rows are not finite")
        return {}
    tables = tables_of(context, fake)
    real, fake = (tables.features(rows).astype(np.float32) for rows in (tables.real, tables.fake))
    save_features(folder, real, fake, "")
    names, names_of, _ = zip(*columns, strict=True)
    drawn = {
        "marginals": table_pictures.marginals(tables, names, names_of),
        "correlations": table_pictures.correlation_matrices(tables, names),
        "pca": table_pictures.principal_components(tables, context.real.class_names),
    }
    if len(fake) + len(tables.real) > 10:
        drawn["tsne"] = evaluation_pictures.tsne(real, fake, context.seed, "t-SNE of standardised columns")
    return _save(drawn, folder)


def save_features(folder: Path, real: np.ndarray, fake: np.ndarray, extractor: str) -> None:
    """Writes features.npz: `real` and `fake` [n, D], at most 400 of each, and the network's name ("": the data itself).

    jaxgen.report shows several models and the real data in one plane from these files. The same settings give the same
    real examples.
    """
    parts = {}
    for name, part in (("real", real), ("fake", fake)):
        chosen = np.linspace(0, len(part) - 1, min(len(part), _LEFT)).astype(int)
        parts[name] = part[chosen].astype(np.float16 if extractor else np.float32)
    write_arrays(folder / "features.npz", extractor=np.array(extractor), **parts)


def _save(pictures: dict[str, Image.Image], folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.png" for name in pictures}
    for name, path in paths.items():
        image_grids.save(pictures[name], path)
    return paths


def nearest_by_pixels(samples: np.ndarray, train: Pixels, count: int) -> np.ndarray:
    """Indices of the training images nearest to each sample in pixels, nearest first, int [N, count].

    Args:
      samples: uint8 [N, H, W, C]. train: uint8 [M, H, W, C], an array or images that stream from disk.
    """
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    best, where = np.empty((len(samples), 0)), np.empty((len(samples), 0), int)
    for first in range(0, len(train), _TRAIN_AT_ONCE):
        part = np.asarray(train[first : first + _TRAIN_AT_ONCE])
        part = part.reshape(len(part), -1).astype(np.float32)
        ids, distances = manifold.nearest(flat, part, min(count, len(part)))
        best, where = np.concatenate([best, distances], 1), np.concatenate([where, ids + first], 1)
        order = np.argsort(best, axis=1, kind="stable")[:, :count]
        best, where = (np.take_along_axis(array, order, axis=1) for array in (best, where))
    return where
