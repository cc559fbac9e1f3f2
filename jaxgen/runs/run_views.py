"""What a trained state of a session offers to evaluation: its views with keys and settings filled in."""

import inspect
from collections.abc import Callable, Mapping
from typing import Protocol

import jax
from ml_collections import ConfigDict

from jaxgen.devices import processes
from jaxgen.errors import UserError
from jaxgen.evaluation.latent_samplers import LatentSampler
from jaxgen.metrics.base import path_view
from jaxgen.metrics.streaming import Workers
from jaxgen.recipes.base import PyTree, Recipe
from jaxgen.settings import lookup
from jaxgen.views import paths
from jaxgen.views.views import Views

# Views that make images between two latents.
_PATH_NEEDS = {"sample", "latents", "decode"}
# What there is to call a view with.
_KNOWN = {"state", "key", "ids", "labels", "images", "samples"}


class Session(Protocol):
    """Those parts of a `runs.session.Session` that evaluation needs."""

    config: ConfigDict
    example_shape: tuple[int, ...]
    facts: Mapping[str, dict]
    recipe: Recipe
    views: Views


def evaluation_key(config: ConfigDict) -> jax.Array:
    """The key of the samples that are evaluated and written by --mode=sample."""
    return jax.random.fold_in(jax.random.key(config.evaluation.seed), 4)


def bound_views(
    session: Session, players: PyTree, samplers: Mapping[str, LatentSampler] | None = None
) -> dict[str, Callable]:
    """The views of a trained state as `evaluation.engine.evaluate` takes them, by name.

    Each is called with what is left of its parameters, in their order: `sample(ids)`, `log_likelihood(images, ids)`.

    Args:
      samplers: of `latent_samplers.fitted`; their samples are the views "sample_<name>".
    """
    settings, views, key = session.config.evaluation, session.views, evaluation_key(session.config)
    bound = {}
    for name in _evaluated(session.recipe):
        view = getattr(views, name)
        takes = inspect.signature(view).parameters.keys()
        # Noise on real images is not that of samples.
        given = {"state": players, "key": jax.random.fold_in(key, 1) if "images" in takes else key}
        given["samples"] = settings.likelihood_samples
        bound[name] = view.bind(**{name: value for name, value in given.items() if name in takes})
    if set(views.names) >= _PATH_NEEDS:
        way = {"space": settings.path_space, "sampling": settings.path_sampling}
        bound[path_view(**way)] = views.path.bind(state=players, key=jax.random.fold_in(key, 2), **way)
    for name, sampler in (samplers or {}).items():
        bound[f"sample_{name}"] = lambda ids, sampler=sampler: views.decode(
            players, sampler.draw(jax.random.fold_in(key, 3), ids), ids
        )
    return bound


def _evaluated(recipe: Recipe) -> dict[str, Callable]:
    """Views that make something of example numbers or of real images, and need nothing that evaluation has not."""
    views = {}
    for name, view in recipe.views.items():
        parameters = inspect.signature(view).parameters
        needs = {p.name for p in parameters.values() if p.default is p.empty}
        if needs <= _KNOWN and "state" in parameters and parameters.keys() & {"ids", "images"}:
            views[name] = view
    return views


def offered_views(recipe: Recipe, settings: ConfigDict) -> dict[str, Callable]:
    """What `bound_views` will give, by name, not bound yet; `settings`: `config.evaluation`.

    Raises:
      UserError: paths in a space that there is not.
    """
    for key, choices in (("path_space", ["z", "w"]), ("path_sampling", ["full", "end"])):
        if settings[key] not in choices:
            raise UserError(lookup.unknown(f"config.evaluation.{key}", settings[key], choices))
    if settings.path_space == "w" and "mapping" not in recipe.views:
        raise UserError("config.evaluation.path_space='w': only stylegan2 maps its latents to w; use 'z'")
    offered = _evaluated(recipe)
    if set(recipe.views) >= _PATH_NEEDS:
        offered[path_view(settings.path_space, settings.path_sampling)] = paths.near_images(recipe.views)
    return offered


def facts_of(session: Session, samplers: Mapping[str, LatentSampler] | None = None) -> dict[str, dict]:
    """What metrics must know of the views; `samplers`: of `latent_samplers.fitted`."""
    facts = {"sample": {"image_shape": session.example_shape}, **session.recipe.facts, **session.facts}
    settings = session.config.evaluation
    facts["path"] = {"space": settings.path_space, "sampling": settings.path_sampling}
    facts |= {f"sample_{name}": dict(sampler.facts) for name, sampler in (samplers or {}).items()}
    if "log_likelihood" in facts:
        known = {"samples": settings.likelihood_samples, **facts["log_likelihood"]}
        # A recipe whose bound has no draws says so with None.
        facts["log_likelihood"] = {name: fact for name, fact in known.items() if fact is not None}
    return facts


def workers() -> Workers:
    """The processes of the run as an evaluation divides itself over them."""
    return Workers(jax.process_index(), jax.process_count(), processes.gather, processes.share)
