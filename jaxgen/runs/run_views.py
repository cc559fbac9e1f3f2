"""What a trained state of a session offers to evaluation: its views with keys and settings filled in."""

from collections.abc import Mapping
from typing import Any

import jax

from jaxgen.devices import processes
from jaxgen.errors import UserError
from jaxgen.metrics.base import path_view
from jaxgen.metrics.streaming import Workers
from jaxgen.recipes.base import Recipe
from jaxgen.settings import lookup

# Views that make images between two latents.
_PATH_NEEDS = {"sample", "latents", "decode"}


def evaluation_key(config) -> jax.Array:
    """The key of the samples that are evaluated and written by --mode=sample."""
    return jax.random.fold_in(jax.random.key(config.evaluation.seed), 4)


def bound_views(session: Any, players, samplers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The views of a trained state as `evaluation.engine.evaluate` takes them, and of `latent_samplers.fitted`."""
    settings, views = session.config.evaluation, session.views
    key = evaluation_key(session.config)
    bound = {
        "sample": lambda ids: views.sample(players, key, ids),
        "points": lambda ids: views.points(players, key, ids),
        "reconstruct": lambda images: views.reconstruct(players, images),
        "encode": lambda images: views.encode(players, images),
        "log_likelihood": lambda images, ids: views.log_likelihood(
            players, images, jax.random.fold_in(key, 1), ids, settings.likelihood_samples
        ),
    }
    offered = {name: view for name, view in bound.items() if name in views.names}
    if set(views.names) >= _PATH_NEEDS:
        paths = settings.path_space, settings.path_sampling
        offered[path_view(*paths)] = lambda ids, epsilon: views.path(
            players, jax.random.fold_in(key, 2), ids, epsilon, *paths
        )
    for name, sampler in (samplers or {}).items():
        offered[f"sample_{name}"] = lambda ids, sampler=sampler: views.decode(
            players, sampler.draw(jax.random.fold_in(key, 3), ids), ids
        )
    return offered


def offered_views(recipe: Recipe, settings) -> set[str]:
    """Names of what `bound_views` will give; `settings`: `config.evaluation`.

    Raises:
      UserError: paths in a space that there is not.
    """
    for key, choices in (("path_space", ["z", "w"]), ("path_sampling", ["full", "end"])):
        if settings[key] not in choices:
            raise UserError(lookup.unknown(f"config.evaluation.{key}", settings[key], choices))
    if settings.path_space == "w" and "mapping" not in recipe.views:
        raise UserError("config.evaluation.path_space='w': only stylegan2 maps its latents to w; use 'z'")
    paths = {path_view(settings.path_space, settings.path_sampling)} if set(recipe.views) >= _PATH_NEEDS else set()
    return set(recipe.views) | paths


def facts_of(session: Any, samplers: Mapping[str, Any] | None = None) -> dict[str, dict]:
    """What metrics must know of the views; `samplers`: of `latent_samplers.fitted`."""
    facts = {"sample": {"image_shape": session.train.images.shape[1:]}, **session.recipe.facts, **session.dataset.facts}
    settings = session.config.evaluation
    facts["path"] = {"space": settings.path_space, "sampling": settings.path_sampling}
    facts |= {f"sample_{name}": dict(sampler.facts) for name, sampler in (samplers or {}).items()}
    if "log_likelihood" in facts:
        known = {"samples": session.config.evaluation.likelihood_samples, **facts["log_likelihood"]}
        # A recipe whose bound has no draws says so with None.
        facts["log_likelihood"] = {name: fact for name, fact in known.items() if fact is not None}
    return facts


def workers() -> Workers:
    """The processes of the run as an evaluation divides itself over them."""
    return Workers(jax.process_index(), jax.process_count(), processes.gather, processes.share)
