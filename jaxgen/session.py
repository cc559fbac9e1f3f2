"""A config becomes objects: data, mesh, recipe, views; and a work directory becomes a state again."""

import json
import logging
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import configuration, evaluation, lookup
from jaxgen.data.base import Dataset, Split, open_dataset
from jaxgen.errors import UserError
from jaxgen.recipes.base import Recipe
from jaxgen.training import parallel, timing
from jaxgen.training.batches import Feed
from jaxgen.training.checkpoint import Checkpoints
from jaxgen.training.views import Views

log = logging.getLogger(__name__)
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy", "scikit-image", "scipy")


class Session(NamedTuple):
    """The objects that a config describes."""

    config: Any
    dataset: Dataset
    train: Split
    test: Split
    mesh: jax.sharding.Mesh
    recipe: Recipe
    feed: Feed
    views: Views
    clock: timing.Clock


def open_session(config) -> Session:
    """Builds everything but the state; writes nothing but data caches.

    Raises:
      UserError: anything in the config that cannot be.
    """
    for name in config.evaluation.metrics:
        lookup.module("metrics", name, "config.evaluation.metrics")
    if config.best_metric and config.best_metric not in config.evaluation.metrics:
        raise UserError(lookup.unknown("config.best_metric", config.best_metric, list(config.evaluation.metrics)))
    if not config.data.test_split:
        raise UserError("config.data.test_split='': evaluation needs a reference split; name one")
    clock = timing.Clock()
    mesh = parallel.make_mesh(config.num_devices, config.batch_size)
    if config.batch_size // config.grad_accum_steps % mesh.size:
        raise UserError(
            f"config.batch_size={config.batch_size} in config.grad_accum_steps={config.grad_accum_steps} parts "
            f"does not divide over {mesh.size} devices"
        )
    recipe_module = lookup.module("recipes", config.recipe.name, "config.recipe.name")
    with clock.measure("data"):
        dataset = open_dataset(config.data, progress=sys.stderr.isatty())
        train, test = dataset.splits[config.data.train_split], dataset.splits[config.data.test_split]
    num_classes = len(dataset.class_names) if train.labels is not None else 0
    recipe = lookup.need(recipe_module, "build", "config.recipe.name")(config, train.images.shape[1:], num_classes)
    feed = Feed(config.batch_size, recipe.batches, config.grad_accum_steps, config.data.flip)
    split = f"{config.data.name}:{config.data.test_split}"
    evaluation.check(config.evaluation, test.images, recipe.views, split)
    # Shapes that do not fit together show here, before anything is written.
    jax.eval_shape(recipe.init, jax.random.key(0))
    views = Views(recipe, mesh, num_classes)
    return Session(config, dataset, train, test, mesh, recipe, feed, views, clock)


def upload(session: Session) -> tuple[jax.Array, jax.Array | None]:
    """The training split on every device."""
    with session.clock.measure("data"):
        labels = None if session.train.labels is None else parallel.replicate(session.mesh, session.train.labels)
        return parallel.replicate(session.mesh, session.train.images), labels


def open_checkpoints(session: Session, workdir: Path) -> Checkpoints:
    """The checkpoints of a work directory, with the config's rules of what to keep."""
    best = session.config.best_metric
    lower = not best or lookup.module("metrics", best, "config.best_metric").DIRECTION == "lower"
    return Checkpoints(workdir / "checkpoints", session.config.keep_checkpoints, best, lower)


def restore(session: Session, workdir: Path, which: str) -> tuple[parallel.TrainState, int]:
    """The state of checkpoint `which` (latest, best, or a step) of a finished or unfinished run.

    Raises:
      UserError: no such checkpoint, or damaged.
    """
    if not (workdir / "checkpoints").is_dir():
        raise UserError(f"{workdir / 'checkpoints'} holds no checkpoint: train first (--mode=train)")
    checkpoints = open_checkpoints(session, workdir)
    step = None
    if which == "best":
        step = checkpoints.best_step()
        if step is None:
            raise UserError("--checkpoint=best: no checkpoint was ranked; train with config.best_metric and eval_every")
    elif which != "latest":
        if not which.isdigit():
            raise UserError(f"--checkpoint={which!r}: choices: latest, best, or the number of a step")
        step = int(which)
    found = checkpoints.restore(parallel.abstract_state(session.recipe, session.mesh, session.config.seed), step)
    if found is None:
        raise UserError(f"{workdir / 'checkpoints'} holds no checkpoint: train first (--mode=train)")
    checkpoints.close()
    return found[0], int(found[0].step)


def evaluate(session: Session, players, num_samples: int, stop=lambda: False) -> dict[str, Any]:
    """Runs the metrics of the config on what the recipe offers; see `jaxgen.evaluation.evaluate`."""
    key = jax.random.fold_in(jax.random.key(session.config.evaluation.seed), 4)
    views = {}
    if "sample" in session.views.names:
        views["sample"] = lambda ids: session.views.sample(players, key, ids)
    if "reconstruct" in session.views.names:
        views["reconstruct"] = lambda images: session.views.reconstruct(players, images)
    settings = session.config.evaluation.copy_and_resolve_references()
    settings.num_samples = num_samples
    return evaluation.evaluate(
        settings,
        session.test.images,
        views,
        split=f"{session.config.data.name}:{session.config.data.test_split}",
        place=lambda batch: parallel.place(session.mesh, batch),
        progress=sys.stderr.isatty(),
        stop=stop,
        cache_dir=statistics_folder(session.config),
    )


def statistics_folder(config) -> Path:
    """Where feature statistics of data sets are kept between runs."""
    from jaxgen.data import cache

    return cache.root(config.data) / "statistics"


def provenance(session: Session) -> dict[str, Any]:
    """What is needed to do the run again: versions, commit, device, data."""
    return {
        "jaxgen": metadata.version("jaxgen"),
        "commit": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "device": parallel.describe_devices(session.mesh),
        "machine": f"{platform.machine()}, {_cores()} cores",
        "seeds": [session.config.seed],
        "data": json.loads(json.dumps(session.dataset.info, default=str)),
    }


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` if files differ from it; None for an installed package."""
    folder = Path(__file__).parents[1]
    if not (folder / ".git").exists():
        return None
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None


def results_of(evaluated: dict[str, Any]) -> dict[str, float]:
    """The plain numbers of an evaluation: metric -> value."""
    return {
        name: entry["value"]
        for name, entry in evaluated.items()
        if not name.startswith("_") and isinstance(entry.get("value"), int | float)
    }


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
