"""The views of a trained session for evaluation, with keys and settings filled in, and its evaluation."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from jaxgen.data import cache
from jaxgen.devices import placement, processes
from jaxgen.evaluation import baseline_evaluation, engine
from jaxgen.evaluation.latent_samplers import LatentSampler
from jaxgen.metrics.base import SAMPLE_VIEWS, path_view
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.streaming import Workers
from jaxgen.recipes.base import PyTree
from jaxgen.runs.session import PATH_NEEDS, Session, evaluated_views, real_split


def evaluation_key(config: ConfigDict) -> jax.Array:
    """The key of the samples for evaluation and for --mode=sample."""
    return jax.random.fold_in(jax.random.key(config.evaluation.seed), 4)


def bound_views(
    session: Session, players: PyTree, samplers: Mapping[str, LatentSampler] | None = None
) -> dict[str, Callable]:
    """The views of a trained state by name, in the form that `evaluation.engine.evaluate` takes.

    Each is called with its remaining parameters, in their order: `sample(ids)`, `log_likelihood(images, ids)`.

    Args:
      samplers: samplers of `latent_samplers.fitted`. Their samples are the views "sample_<name>".
    """
    settings, views, key = session.config.evaluation, session.views, evaluation_key(session.config)
    bound = {}
    for name in evaluated_views(session.recipe):
        view = getattr(views, name)
        takes = inspect.signature(view).parameters.keys()
        # Noise on real images is not that of samples.
        given = {"state": players, "key": jax.random.fold_in(key, 1) if "images" in takes else key}
        given["samples"] = settings.likelihood_samples
        bound[name] = view.bind(**{name: value for name, value in given.items() if name in takes})
    if set(views.names) >= PATH_NEEDS:
        way = {"space": settings.path_space, "sampling": settings.path_sampling}
        bound[path_view(**way)] = views.path.bind(state=players, key=jax.random.fold_in(key, 2), **way)
    for name, sampler in (samplers or {}).items():
        bound[f"sample_{name}"] = lambda ids, sampler=sampler: views.decode(
            players, sampler.draw(jax.random.fold_in(key, 3), ids), ids
        )
    return bound


def facts_of(session: Session, samplers: Mapping[str, LatentSampler] | None = None) -> dict[str, dict]:
    """Facts about the views for metrics. samplers: samplers of `latent_samplers.fitted`."""
    facts = {"sample": {"image_shape": session.example_shape}, **session.recipe.facts, **session.facts}
    settings = session.config.evaluation
    if labels := session.views.sample_labels(jax.eval_shape(session.recipe.init, jax.random.key(0))):
        facts["sample"] = {**facts["sample"], "labels": labels}
    facts["path"] = {"space": settings.path_space, "sampling": settings.path_sampling}
    facts |= {f"sample_{name}": dict(sampler.facts) for name, sampler in (samplers or {}).items()}
    if "log_likelihood" in facts:
        known = {"samples": settings.likelihood_samples, **facts["log_likelihood"]}
        # A recipe whose bound has no draws says so with None.
        facts["log_likelihood"] = {name: fact for name, fact in known.items() if fact is not None}
    return facts


def workers() -> Workers:
    """The processes of the run, over which an evaluation is divided."""
    return Workers(jax.process_index(), jax.process_count(), processes.gather, processes.share)


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
    """Runs the metrics of the config on the views of the recipe (or on `views`). See `evaluation.engine.evaluate`.

    All processes of the run must call it. The primary process gets the results, the others {}.

    real: the reference images. None takes the test split. metrics: the metrics to run. () takes those of the config.
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
        cache_dir=_statistics_folder(session),
        gallery=gallery,
        workers=workers(),
    )


def evaluate_baselines(session: Session, stop=lambda: False) -> dict[str, dict]:
    """The metrics of `config.evaluation.baselines`, computed as for the run. {} without baselines."""
    return baseline_evaluation.measure(
        session.config.evaluation,
        real_split(session, session.config.data.test_split),
        real_split(session, session.config.data.train_split),
        facts_of(session),
        _statistics_folder(session),
        stop,
    )


def _statistics_folder(session: Session) -> Path:
    """Where feature statistics of data sets are kept between runs."""
    return cache.root(session.config.data) / "statistics"


def results_of(evaluated: dict[str, Any], best_metric: str = "") -> dict[str, float]:
    """The plain numbers of an evaluation: name -> value.

    Args:
      best_metric: its number has the config's name too, by which checkpoints are ranked. No other number has a name
        that leaves out its network.
    """
    numbers = {}
    for name, entry in evaluated.items():
        if not name.startswith("_") and isinstance(entry.get("value"), int | float):
            numbers[name] = entry["value"]
            if entry["metric"] == best_metric and entry["view"] not in ("project", *SAMPLE_VIEWS[1:]):
                numbers.setdefault(best_metric, entry["value"])
    return numbers
