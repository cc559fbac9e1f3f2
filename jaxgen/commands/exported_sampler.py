"""The work of `python -m jaxgen.export`: a recipe's views as a function of latents, lowered with its weights."""

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxgen.commands import existing_run
from jaxgen.errors import UserError
from jaxgen.files import outputs
from jaxgen.files.provenance import software
from jaxgen.ops.backend import compile_for
from jaxgen.ops.pixels import to_uint8
from jaxgen.recipes.base import PyTree, Recipe
from jaxgen.runs import restoring
from jaxgen.settings import configuration

log = logging.getLogger(__name__)
# What jaxgen.ops distinguishes: "gpu" stands for every accelerator that has a plain convolution.
_TRACED_AS = {"cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "tpu": "gpu"}


class Sampler(NamedTuple):
    """The function to export.

    function: `(players, *inputs) -> images uint8 [n, H, W, C]`, or points float32 [n, D].
    inputs: shape and type of each input for n = 1, by name. A first dimension of 1 stands for n.
    """

    function: Callable
    inputs: Mapping[str, jax.ShapeDtypeStruct]


def export(arguments: argparse.Namespace) -> None:
    """Writes the exported file, and FILE.json with its inputs, outputs and origin.

    Args:
      arguments: parsed arguments of `jaxgen.export`.

    Raises:
      UserError: no run or checkpoint, a recipe without samples, or options that cannot be exported.
    """
    existing_run.check_one_seed(arguments.workdir, arguments.checkpoint, "--workdir=")
    trained = restoring.load(arguments.workdir, arguments.checkpoint, arguments.data_dir)
    classes = trained.opened.num_classes
    sampler = sampler_of(trained.opened.recipe, trained.players, classes, arguments.truncation)
    exported = lowered(sampler, trained.players, arguments.platforms, arguments.batch_size)
    data = bytes(exported.serialize())
    outputs.write(arguments.out, data)
    takes = [f"{name}: {aval.str_short()}" for name, aval in zip(sampler.inputs, exported.in_avals, strict=True)]
    described = {
        "takes": takes,
        "gives": [aval.str_short() for aval in exported.out_avals],
        "classes": classes if "labels" in sampler.inputs else 0,
        "platforms": list(exported.platforms),
        "truncation": arguments.truncation,
        "run": str(arguments.workdir.absolute()),
        "step": trained.step,
        "config": configuration.to_dict(trained.config),
        **software(),
    }
    path = Path(f"{arguments.out}.json")
    outputs.write(path, json.dumps(described, indent=1) + "\n")
    log.info("%s: %s -> %s", arguments.out, ", ".join(takes), described["gives"][0])
    log.info("%.1f MB for %s. Described in %s", len(data) / 1e6, ", ".join(exported.platforms), path)


def sampler_of(recipe: Recipe, players: PyTree, num_classes: int, truncation: float = 1.0) -> Sampler:
    """The recipe's images as a function of latents, and of classes if the model is conditional.

    A recipe whose samples have no latents becomes a function of a seed and the samples' numbers.

    Args:
      players: players of the recipe's state, or abstract players.

    Raises:
      UserError: no samples, or truncation without styles.
    """
    views = recipe.views
    if not {"sample", "points"} & set(views):
        raise UserError("jaxgen.export: the recipe of this run offers no samples")
    finish = to_uint8 if "sample" in views else lambda points: points.astype(jnp.float32)
    number = jax.ShapeDtypeStruct((1,), jnp.int32)
    if {"latents", "decode"} <= set(views):
        decode = views["decode"] if truncation == 1 else _truncated(views, truncation)
        inputs = {"latents": jax.eval_shape(views["latents"], jax.random.key(0), number)}

        def function(players, latents, labels=None):
            return finish(decode(players, latents, labels))
    else:
        if truncation != 1:
            _truncated(views, truncation)
        inputs = {"seed": jax.ShapeDtypeStruct((), jnp.uint32), "numbers": number}

        def function(players, seed, numbers, labels=None):
            return finish(views["sample"](players, jax.random.key(seed), numbers, labels))

    if num_classes:
        with_labels = jax.make_jaxpr(function)(players, *inputs.values(), number)
        if with_labels.jaxpr.invars[-1] in _read(with_labels):
            return Sampler(function, {**inputs, "labels": number})
    return Sampler(function, inputs)


def _truncated(views: Mapping[str, Callable], psi: float) -> Callable:
    if not {"mapping", "synthesis", "w_average"} <= set(views):
        raise UserError(f"--truncation={psi}: this run's recipe has no styles to truncate. Leave --truncation out")

    def decode(players, latents, labels):
        average = views["w_average"](players)
        return views["synthesis"](players, average + psi * (views["mapping"](players, latents, labels) - average))

    return decode


def lowered(sampler: Sampler, players: PyTree, platforms: tuple[str, ...], batch_size: int = 0) -> jax.export.Exported:
    """The sampler for all platforms, with the weights that it reads.

    Args:
      batch_size: n. 0 allows any n.

    Raises:
      UserError: it cannot be lowered for arbitrary n.
    """
    leaves, structure = jax.tree.flatten(players)
    traced = jax.make_jaxpr(lambda leaves, *rest: sampler.function(structure.unflatten(leaves), *rest))
    jaxpr = traced(jax.eval_shape(lambda: leaves), *sampler.inputs.values())
    read = _read(jaxpr)
    kept = {i: np.asarray(leaf) for i, leaf in enumerate(leaves) if jaxpr.jaxpr.invars[i] in read}

    def run(*inputs):
        # Weights that XLA does not see through: nothing is computed from them while compiling, and the numbers are
        # those of the sampler that gets them as arguments.
        weights = dict(zip(kept, jax.lax.optimization_barrier(tuple(kept.values())), strict=True))
        whole = structure.unflatten([weights.get(i) for i in range(len(leaves))])
        return _by_platform(lambda *inputs: sampler.function(whole, *inputs), platforms)(*inputs)

    size = batch_size or jax.export.symbolic_shape("n")[0]
    arguments = [
        jax.ShapeDtypeStruct((size, *shape.shape[1:]) if shape.ndim else (), shape.dtype)
        for shape in sampler.inputs.values()
    ]
    try:
        return jax.export.export(jax.jit(run), platforms=platforms)(*arguments)
    except Exception as error:
        # JAX tells in many ways that a program depends on the number of images.
        if batch_size:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UserError(
            f"this sampler cannot be exported for any number of images ({reason}). Set --batch_size"
        ) from error


def _by_platform(function: Callable, platforms: tuple[str, ...]) -> Callable:
    """The function with the form of each operation that is fast on the platform it will run on."""
    forms = {kind: compile_for(kind)(function) for kind in {_TRACED_AS[platform] for platform in platforms}}
    if len(forms) == 1:
        return next(iter(forms.values()))
    return lambda *inputs: jax.lax.platform_dependent(*inputs, cpu=forms["cpu"], default=forms["gpu"])


def _read(closed: ClosedJaxpr) -> set:
    """Variables that an operation of the program or its result reads."""
    jaxpr = closed.jaxpr
    atoms = [*jaxpr.outvars, *(atom for equation in jaxpr.eqns for atom in equation.invars)]
    return {atom for atom in atoms if not hasattr(atom, "val")}
