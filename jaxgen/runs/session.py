"""A config becomes objects: data, mesh, recipe, views, steps; and what they evaluate."""

import functools
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.data import cache, none, table_codec
from jaxgen.data.base import Dataset, Split, is_streamed, open_dataset
from jaxgen.data.table import columns_of
from jaxgen.data.table_codec import TableCodec
from jaxgen.devices import parallel, placement
from jaxgen.errors import UserError
from jaxgen.evaluation import baseline_evaluation, engine, latent_samplers
from jaxgen.files.provenance import software
from jaxgen.metrics.base import SAMPLE_VIEWS
from jaxgen.metrics.image_set import ImageSource
from jaxgen.recipes.base import Recipe
from jaxgen.runs.run_views import bound_views, facts_of, offered_views, workers
from jaxgen.settings import configuration, divisibility, lookup
from jaxgen.training import alarms, compiled_steps, lanes, objective, timing
from jaxgen.training.batches import Batching, ResidentSplit, shapes_of
from jaxgen.training.streamed_split import StreamedSplit, TrainingData
from jaxgen.views.views import Views

log = logging.getLogger(__name__)


class DataShape(NamedTuple):
    """What networks must know of the data, but for a table: (H, W, C) or (D,), and classes, 0 without labels."""

    example_shape: tuple[int, ...]
    num_classes: int


class Session(NamedTuple):
    """The objects that a config describes.

    example_shape: (H, W, C) of an image, (D,) of a vector. num_classes: 0 where the training split has no labels.
    facts: what metrics must know of the data (`Dataset.facts`).
    open_data: gives the data set, which is read at the first call; `dataset`, `train` and `test` call it.
    table: how networks see the rows, where the data are a table.
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
    clock: timing.Clock
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
    """What `config.json` says of a run's data; None for runs of earlier versions, and for a table.

    A table's networks are made for its columns as the training rows are, which only the data tell.
    """
    if "example_shape" not in contents or "columns" in contents["data"]:
        return None
    return DataShape(tuple(contents["example_shape"]), contents["num_classes"])


def open_session(config, needs_images: bool = True, known: DataShape | None = None) -> Session:
    """Builds everything but the state; writes nothing but data caches.

    Args:
      needs_images: False: what follows does without, so that `data.name="none"` will do, and nothing is evaluated.
      known: of a run's data; with it the data set stays closed until something asks for it.

    Raises:
      UserError: anything in the config that cannot be.
    """
    for key in ("metrics", "metrics_in_training"):
        for name in config.evaluation[key]:
            lookup.module("metrics", name, f"config.evaluation.{key}")
    if config.best_metric and config.best_metric not in config.evaluation.metrics:
        raise UserError(lookup.unknown("config.best_metric", config.best_metric, list(config.evaluation.metrics)))
    if not config.data.test_split:
        raise UserError("config.data.test_split='': evaluation needs a reference split; name one")
    alarms.check(config.alarms)
    clock = timing.Clock()
    mesh = parallel.make_mesh(config.num_devices, num_seeds=config.num_seeds, seed_devices=config.seed_devices)
    divisibility.check_devices(config, parallel.data_devices(mesh))
    # A mistake in the name shows before data are fetched for nothing.
    recipe_module = lookup.module("recipes", config.recipe.name, "config.recipe.name")
    data = data_of(config)

    @functools.cache
    def open_data() -> Dataset:
        with clock.measure("data"):
            return open_dataset(data, progress=sys.stderr.isatty())

    dataset = open_data() if known is None else none.empty(*known, config.data)
    train, test = dataset.splits[config.data.train_split], dataset.splits[config.data.test_split]
    num_classes = dataset.num_classes(config.data.train_split)
    _check_data(config, train, num_classes, needs_images)
    with clock.measure("data"):
        columns = columns_of(dataset.facts.get("points", {}))
        baseline_evaluation.check(config.evaluation, columns)
        table = table_codec.fit(columns, train.images, data) if columns else None
    recipe, batching = objective.recipe_and_batching(config, recipe_module, train, num_classes, table)
    if is_streamed(train.images) and config.num_seeds > 1:
        raise UserError(
            f"config.num_seeds={config.num_seeds}: seeds see the images in orders of their own, which cannot all be "
            "streamed into one program: set it to 1, or data.streaming=never"
        )
    latent_samplers.check_config(config, recipe.views)
    if needs_images:
        settings = config.evaluation.copy_and_resolve_references()
        extra = settings.metrics_in_training if config.eval_every else ()
        settings.metrics = tuple(dict.fromkeys((*settings.metrics, *extra)))
        reference, training = (ImageSource(*part, dataset.class_names) for part in (test, train))
        split = f"{config.data.name}:{config.data.test_split}"
        engine.check(settings, reference, offered_views(recipe, settings), split, training)
    # Shapes that do not fit together show here, before anything is written.
    jax.eval_shape(recipe.init, jax.random.key(0))
    # Rows have the classes of the table as often as it has them; images go round all classes.
    shares = tuple(np.bincount(train.labels) / len(train.labels)) if table is not None and num_classes else ()
    views = Views(recipe, parallel.flat(mesh), num_classes, shares)
    shape = tuple(train.images.shape[1:])
    return Session(config, shape, num_classes, dataset.facts, open_data, mesh, recipe, batching, views, clock, table)


def data_of(config):
    """`config.data`, with the run's own seed where `data.seed` says so."""
    if config.data.seed != -1:
        return config.data
    if config.num_seeds > 1:
        raise UserError(
            f"config.data.seed=-1 takes the run's seed, and config.num_seeds={config.num_seeds} trains many on one "
            "split: name a seed of the data"
        )
    data = config.data.copy_and_resolve_references()
    data.seed = config.seed
    return data


def _check_data(config, train: Split, num_classes: int, needs_images: bool) -> None:
    if needs_images and not len(train.images):
        raise UserError(
            f"config.data.name={config.data.name!r} has no images to train on or to measure against: name a data set, "
            "such as --config.data.name=cifar10"
        )
    if config.data.num_classes and num_classes != config.data.num_classes:
        raise UserError(
            f"config.data.num_classes={config.data.num_classes}: {config.data.name} has {num_classes or 'no'} classes; "
            "to train these weights on other classes start a new run with config.init_from"
        )


def of_lane(session: Session, lane_config) -> Session:
    """The session of a run of one of the seeds alone: the same objects, with its config and a clock of its own."""
    return session._replace(config=lane_config, mesh=parallel.flat(session.mesh), clock=timing.Clock())


def training_data(session: Session) -> TrainingData:
    """What feeds the training steps: the whole split on every device, or batches that are read ahead of the steps."""
    config, train = session.config, session.train
    if is_streamed(train.images):
        steps, workers = config.steps_per_dispatch, config.data.workers
        return StreamedSplit(session.batching, config.seed, session.mesh, train, steps, workers)
    with session.clock.measure("data"):
        labels = None if train.labels is None else parallel.replicate(session.mesh, train.labels)
        rows = train.images.reshape(len(train.images), -1) if session.table is None else session.table.encoded
        return ResidentSplit(parallel.replicate(session.mesh, rows), labels)


def real_split(session: Session, name: str) -> ImageSource:
    """A split of the data as evaluation takes it."""
    images, labels = session.dataset.splits[name]
    return ImageSource(images, labels, session.dataset.class_names, f"{session.config.data.name}:{name}")


def compile_steps(session: Session, state: parallel.TrainState) -> compiled_steps.CompiledSteps:
    """The program of `steps_per_dispatch` training steps."""
    steps, seed_program = session.config.steps_per_dispatch, session.config.seed_program
    parts = session.recipe, session.batching, session.mesh
    data = shapes_of(session.batching, session.train, session.table, steps)
    return compiled_steps.compile_steps(*parts, state, data, steps=steps, seed_program=seed_program)


def evaluate(
    session: Session,
    players,
    num_samples: int,
    stop=lambda: False,
    *,
    metrics: Sequence[str] = (),
    real: ImageSource | None = None,
    views=None,
    samplers: Mapping[str, Any] | None = None,
    gallery: Path | None = None,
) -> dict[str, Any]:
    """Runs the metrics of the config on what the recipe offers (or on `views`); see `evaluation.engine.evaluate`.

    All processes of the run must call it; the primary one gets the results, the others {}.

    real: what it is measured against; None: the test split. metrics: only these; (): all of the config.
    """
    settings = session.config.evaluation.copy_and_resolve_references()
    settings.num_samples = num_samples
    settings.metrics = tuple(metrics) or settings.metrics
    return engine.evaluate(
        settings,
        real_split(session, session.config.data.test_split) if real is None else real,
        bound_views(session, players, samplers) if views is None else views,
        train=real_split(session, session.config.data.train_split),
        facts=facts_of(session, samplers),
        place=lambda batch: placement.place(session.mesh, batch),
        progress=sys.stderr.isatty(),
        stop=stop,
        cache_dir=statistics_folder(session.config),
        gallery=gallery,
        workers=workers(),
    )


def evaluate_baselines(session: Session, stop=lambda: False) -> dict[str, dict]:
    """`config.evaluation.baselines` measured as the run is; {} where it names none."""
    return baseline_evaluation.measure(
        session.config.evaluation,
        real_split(session, session.config.data.test_split),
        real_split(session, session.config.data.train_split),
        facts_of(session),
        statistics_folder(session.config),
        stop,
    )


def statistics_folder(config) -> Path:
    """Where feature statistics of data sets are kept between runs."""
    return cache.root(config.data) / "statistics"


def provenance(session: Session) -> dict[str, Any]:
    """What is needed to do the run again: versions, commit, device, data."""
    return {
        **software(),
        "device": parallel.describe_devices(session.mesh),
        "seeds": list(lanes.seeds_of(session.config)),
        "example_shape": list(session.example_shape),
        "num_classes": session.num_classes,
        "data": json.loads(json.dumps(session.dataset.info, default=str)),
    }


def results_of(evaluated: dict[str, Any]) -> dict[str, float]:
    """The plain numbers of an evaluation: metric -> value, by the name in the config too where that differs."""
    numbers = {}
    for name, entry in evaluated.items():
        if not name.startswith("_") and isinstance(entry.get("value"), int | float):
            numbers[name] = entry["value"]
            if entry["view"] not in ("project", *SAMPLE_VIEWS[1:]):
                numbers.setdefault(entry["metric"], entry["value"])
    return numbers


def parameter_counts(state: parallel.TrainState) -> dict[str, int]:
    """Trained parameters of each player."""
    counts = {}
    for name, player in state.players.items():
        if hasattr(player, "opt_state"):
            counts[name] = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(player.params))
    return counts


def settings_of(session: Session) -> dict[str, Any]:
    """The config as plain types."""
    return configuration.to_dict(session.config)
