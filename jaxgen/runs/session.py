"""Turns a config into objects: data, mesh, recipe, views, steps."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.data import none, table_codec
from jaxgen.data.base import Dataset, Split, is_streamed
from jaxgen.data.table import columns_of
from jaxgen.data.table_codec import TableCodec
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.evaluation import baseline_evaluation, engine, latent_samplers
from jaxgen.files.data_record import DataRecord
from jaxgen.files.provenance import software
from jaxgen.metrics.base import path_view
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.image_set import ImageSource
from jaxgen.recipes.base import Recipe
from jaxgen.runs import run_data
from jaxgen.settings import checks, lookup
from jaxgen.training import alarms, compiled_steps, objective
from jaxgen.training.batches import Batching, ResidentSplit, shapes_of
from jaxgen.training.lanes import Lane, seeds_of
from jaxgen.training.run import Clock
from jaxgen.training.streamed_split import StreamedSplit, TrainingData
from jaxgen.views.views import Views, near_images

# Views that make images between two latents.
PATH_NEEDS = {"sample", "latents", "decode"}
# What there is to call a view with.
_KNOWN = {"state", "key", "ids", "labels", "images", "image_labels", "samples"}


# What networks must know of the data, but for a table: (H, W, C) or (D,), and the number of classes, 0 without labels.
DataShape = tuple[tuple[int, ...], int]


class Session(NamedTuple):
    """The objects of a config.

    example_shape: (H, W, C) of an image, (D,) of a vector. num_classes: 0 if the training split has no labels.
    facts: facts about the data for metrics (`Dataset.facts`).
    open_data: returns the data set, which is read at the first call. `dataset`, `train` and `test` call it.
    table: the encoding of rows, if the data are a table.
    """

    config: ConfigDict
    example_shape: tuple[int, ...]
    num_classes: int
    facts: Mapping[str, dict]
    open_data: Callable[[], Dataset]
    mesh: jax.sharding.Mesh
    recipe: Recipe
    batching: Batching
    views: Views
    clock: Clock
    table: TableCodec | None = None

    @property
    def dataset(self) -> Dataset:
        return self.open_data()

    @property
    def train(self) -> Split:
        return self.dataset.splits[self.config.data.train_split]

    @property
    def test(self) -> Split:
        return self.dataset.splits[self.config.data.test_split]


def data_shape_of(contents: Mapping[str, Any]) -> DataShape | None:
    """Facts about a run's data in `config.json`. None for runs of earlier versions, and for a table.

    A table's networks depend on the columns of the training rows. Only the data have them.
    """
    shape, classes, data = (contents.get(key) for key in ("example_shape", "num_classes", "data"))
    whole = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape) and type(classes) is int
    if not whole or (isinstance(data, dict) and "columns" in data):
        return None
    return tuple(shape), classes


def open_session(
    config, needs_images: bool = True, known: DataShape | None = None, recorded: DataRecord | None = None
) -> Session:
    """Builds everything but the state. Writes nothing but data caches.

    Args:
      needs_images: False if no later work needs images. `data.name="none"` is then possible, and nothing is evaluated.
      known: known facts about a run's data. With them, the data set stays closed until it is needed.
      recorded: the data that a run was trained on. Other data are refused once they are opened.

    Raises:
      UserError: a setting is impossible.
    """
    for key in ("metrics", "metrics_in_training"):
        for name in config.evaluation[key]:
            lookup.module("metrics", name, f"config.evaluation.{key}")
    if config.best_metric and config.best_metric not in config.evaluation.metrics:
        raise UserError(lookup.unknown("config.best_metric", config.best_metric, list(config.evaluation.metrics)))
    if not config.data.test_split:
        raise UserError("config.data.test_split='': evaluation needs a reference split. Name a split")
    alarms.check(config.alarms)
    clock = Clock()
    mesh = parallel.make_mesh(config.num_devices, num_seeds=config.num_seeds, seed_devices=config.seed_devices)
    checks.check_devices(config, parallel.data_devices(mesh))
    # A mistake in the name shows before data are fetched for nothing.
    recipe_module = lookup.module("recipes", config.recipe.name, "config.recipe.name")
    data = data_of(config)

    @functools.cache
    def open_data() -> Dataset:
        with clock.measure("data"):
            return run_data.open_data(data, recorded)

    dataset = open_data() if known is None else none.empty(*known, config.data)
    train = dataset.splits[config.data.train_split]
    num_classes = dataset.num_classes(config.data.train_split)
    _check_data(config, train, num_classes, needs_images)
    with clock.measure("data"):
        columns = columns_of(dataset.facts.get("points", {}))
        baseline_evaluation.check(config.evaluation, columns)
        table = table_codec.fit(columns, train.images, data) if columns else None
    recipe, batching = objective.recipe_and_batching(config, recipe_module, train, num_classes, table)
    if is_streamed(train.images) and config.num_seeds > 1:
        raise UserError(
            f"config.num_seeds={config.num_seeds}: each seed has its own order of images, so one program cannot stream "
            "them. Set num_seeds=1, or data.streaming=never"
        )
    latent_samplers.check_config(config, recipe.views)
    if needs_images:
        settings = config.evaluation.copy_and_resolve_references()
        extra = settings.metrics_in_training if config.eval_every else ()
        settings.metrics = tuple(dict.fromkeys((*settings.metrics, *extra)))
        reference, training = (_source(config, dataset, config.data[f"{part}_split"]) for part in ("test", "train"))
        engine.check(settings, reference, offered_views(recipe, settings), "", training)
    # Shapes that do not fit together show here, before anything is written.
    jax.eval_shape(recipe.init, jax.random.key(0))
    # Rows have the classes of the table as often as it has them; images go round all classes.
    shares = tuple(np.bincount(train.labels) / len(train.labels)) if table is not None and num_classes else ()
    views = Views(recipe, parallel.flat(mesh), num_classes, shares)
    shape = tuple(train.images.shape[1:])
    return Session(config, shape, num_classes, dataset.facts, open_data, mesh, recipe, batching, views, clock, table)


def evaluated_views(recipe: Recipe) -> dict[str, Callable]:
    """Views of example numbers or of real images, with no other inputs than evaluation has."""
    views = {}
    for name, view in recipe.views.items():
        parameters = inspect.signature(view).parameters
        needs = {p.name for p in parameters.values() if p.default is p.empty}
        if needs <= _KNOWN and "state" in parameters and parameters.keys() & {"ids", "images"}:
            views[name] = view
    return views


def offered_views(recipe: Recipe, settings: ConfigDict) -> dict[str, Callable]:
    """The unbound views that `run_views.bound_views` will give, by name. settings: `config.evaluation`.

    Raises:
      UserError: paths in a space that the model lacks.
    """
    check_paths(settings)
    if settings.path_space == "w" and "mapping" not in recipe.views:
        raise UserError("config.evaluation.path_space='w': only stylegan2 maps its latents to w. Use 'z'")
    offered = evaluated_views(recipe)
    if set(recipe.views) >= PATH_NEEDS:
        offered[path_view(settings.path_space, settings.path_sampling)] = near_images(recipe.views)
    return offered


def check_paths(settings: ConfigDict) -> None:
    """Refuses unknown paths between latents. settings: `config.evaluation`."""
    for key, choices in (("path_space", ["z", "w"]), ("path_sampling", ["full", "end"])):
        if settings[key] not in choices:
            raise UserError(lookup.unknown(f"config.evaluation.{key}", settings[key], choices))


def data_of(config):
    """`config.data`, with the run's own seed if `data.seed` is -1."""
    if config.data.seed != -1:
        return config.data
    if config.num_seeds > 1:
        raise UserError(
            f"config.data.seed=-1 takes the run's seed, but config.num_seeds={config.num_seeds} trains several on one "
            "split. Set a seed of the data"
        )
    data = config.data.copy_and_resolve_references()
    data.seed = config.seed
    return data


def _check_data(config, train: Split, num_classes: int, needs_images: bool) -> None:
    if needs_images and not len(train.images):
        raise UserError(
            f"config.data.name={config.data.name!r} has no images for training or evaluation. Name a data set, "
            "such as --config.data.name=cifar10"
        )
    if config.data.num_classes and num_classes != config.data.num_classes:
        raise UserError(
            f"config.data.num_classes={config.data.num_classes}: {config.data.name} has {num_classes or 'no'} classes. "
            "To train these weights on other classes, start a new run with config.init_from"
        )


def of_lane(session: Session, lane: Lane) -> Session:
    """The session of one seed. For several seeds, the same objects with a config and a clock of its own."""
    if lane.index is None:
        return session
    return session._replace(config=lane.config, mesh=parallel.flat(session.mesh), clock=Clock())


def training_data(session: Session) -> TrainingData:
    """The input of the training steps: the whole split on every device, or batches that are read in advance."""
    config, train = session.config, session.train
    if is_streamed(train.images):
        steps, workers = config.steps_per_dispatch, config.data.workers
        return StreamedSplit(session.batching, config.seed, session.mesh, train, steps, workers)
    with session.clock.measure("data"):
        labels = None if train.labels is None else parallel.replicate(session.mesh, train.labels)
        rows = train.images.reshape(len(train.images), -1) if session.table is None else session.table.encoded
        return ResidentSplit(parallel.replicate(session.mesh, rows), labels)


def real_split(session: Session, name: str) -> ImageSource:
    """A split of the data as an `ImageSet` source for evaluation. The test split has saved statistics, if given."""
    return _source(session.config, session.dataset, name)


def _source(config: ConfigDict, dataset: Dataset, name: str) -> ImageSource:
    path, known = config.evaluation.real_statistics, None
    if path and name == config.data.test_split:
        known = statistics_file.load_given(Path(path).expanduser(), f"config.evaluation.real_statistics={path}")
    images, labels = dataset.splits[name]
    return ImageSource(images, labels, dataset.class_names, f"{config.data.name}:{name}", known)


def compile_steps(session: Session, state: parallel.TrainState) -> compiled_steps.CompiledSteps:
    """The program of `steps_per_dispatch` training steps."""
    steps, seed_program = session.config.steps_per_dispatch, session.config.seed_program
    parts = session.recipe, session.batching, session.mesh
    data = shapes_of(session.batching, session.train, session.table, steps)
    return compiled_steps.compile_steps(*parts, state, data, steps=steps, seed_program=seed_program)


def provenance(session: Session) -> dict[str, Any]:
    """The facts that reproduce the run: versions, commit, device, data."""
    return {
        **software(),
        "device": parallel.describe_devices(session.mesh),
        "seeds": list(seeds_of(session.config)),
        "example_shape": list(session.example_shape),
        "num_classes": session.num_classes,
        "data": json.loads(json.dumps(session.dataset.info, default=str)),
    }
