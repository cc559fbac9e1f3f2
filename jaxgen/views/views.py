"""Compiled views of a recipe's trained state: all views of the recipe, and paths between latents."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.devices import placement
from jaxgen.ops.pixels import from_uint8, to_uint8
from jaxgen.ops.random import example_uniform
from jaxgen.recipes.base import PyTree, Recipe
from jaxgen.views import projection

_GOLDEN = (5**0.5 - 1) / 2
# Types of arrays that views take from the host, where not float32. None: as they are.
_TYPES = {"ids": np.int32, "image_labels": np.int32, "images": None}


class View:
    """A compiled view of a recipe. It is called like the recipe's function, but without `labels`.

    `labels` belong to `ids`. If the function has labels but no ids, ids take the labels' place. `image_labels` are the
    classes of `images`. Images are uint8 and reach the function as float32 in [-1, 1]. Other arrays are float32.
    Strings, whole numbers and tuples are compiled into the program. The result is float32, or uint8 if the view makes
    images.

    Args:
      function: the recipe's function. Its parameter names define its inputs (`recipes.base.Recipe`).
      makes_images: whether it returns images in [-1, 1], if the data are images.
      mesh: devices to spread batches over.
      labels_of: ids [n] -> labels [n] or None.
    """

    def __init__(self, function: Callable, makes_images: bool, mesh: jax.sharding.Mesh, labels_of: Callable):
        self._function, self._makes_images, self._mesh, self._labels_of = function, makes_images, mesh, labels_of
        self.__signature__ = _without_labels(inspect.signature(function))
        self._takes = inspect.signature(function).parameters.keys()
        self._compiled = functools.cache(self._compile)

    def __call__(self, *args: Any, **options: Any) -> PyTree:
        given = self.__signature__.bind(*args, **options).arguments
        if "labels" in self._takes:
            given["labels"] = self._labels_of(given.get("ids"))
        given = {name: value for name, value in given.items() if name in self._takes}
        fixed = {name: v for name, v in given.items() if name != "state" and isinstance(v, str | int | tuple)}
        arrays = {name: self._placed(name, value) for name, value in given.items() if name not in fixed}
        return self._compiled(**fixed)(arrays)

    def bind(self, **given: Any) -> Callable:
        """The view with some of its arguments filled in. Its signature names the others."""
        left = [p for name, p in self.__signature__.parameters.items() if name not in given]
        signature = self.__signature__.replace(parameters=left)

        def bound(*args, **options):
            return self(**given, **signature.bind(*args, **options).arguments)

        bound.__signature__ = signature
        return bound

    def _compile(self, **fixed: Any) -> Callable:
        def program(arrays):
            if "images" in arrays:
                arrays = {**arrays, "images": from_uint8(arrays["images"])}
            outcome = self._function(**arrays, **fixed)
            if self._makes_images and outcome.ndim == 4:  # vectors are what a recipe makes of vectors
                return to_uint8(outcome)
            return jax.tree.map(_as_float32, outcome)

        return jax.jit(program)

    def _placed(self, name: str, value: PyTree) -> PyTree:
        if name == "state":
            return placement.viewable(value)
        if name in ("key", "labels") or value is None:
            return value
        return jax.tree.map(lambda array: self._placed_array(name, array), value)

    def _placed_array(self, name: str, array: Any) -> jax.Array:
        if not isinstance(array, jax.Array):
            array = np.asarray(array, _TYPES.get(name, np.float32))
        return placement.place(self._mesh, array) if array.ndim else array


def _without_labels(signature: inspect.Signature) -> inspect.Signature:
    parameters = signature.parameters
    if "ids" in parameters:
        return signature.replace(parameters=[p for name, p in parameters.items() if name != "labels"])
    renamed = [p.replace(name="ids") if name == "labels" else p for name, p in parameters.items()]
    return signature.replace(parameters=renamed)


def _as_float32(array: jax.Array) -> jax.Array:
    return array.astype(jnp.float32) if jnp.issubdtype(array.dtype, jnp.floating) else array


def classes_for(view: Callable, labels: np.ndarray | None) -> dict[str, np.ndarray | None]:
    """`{"image_labels": labels}` for a view that needs the classes of its images, else {}."""
    parameter = inspect.signature(view).parameters.get("image_labels")
    return {} if parameter is None or parameter.default is not parameter.empty else {"image_labels": labels}


def in_batches(compute: Callable, size: int, *arrays: np.ndarray) -> Iterator[PyTree]:
    """`compute` on `size` rows of the arrays at a time, in NumPy.

    The last rows are repeated to fill up the last batch, so that one compiled program suffices.
    """
    count = len(arrays[0])
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        outcome = compute(*(array[rows] for array in arrays))
        yield jax.tree.map(lambda part, kept=count - first: np.asarray(part)[:kept], outcome)


class Views:
    """The views of a recipe, each an attribute by its name: `views.sample(players, key, ids)`.

    Recipes with latents and decode also have `path` (`near_images`) and `project` (`projection.project`, with images in
    [-1, 1]).

    Args:
      recipe: the trained recipe.
      mesh: devices to spread batches over.
      num_classes: labels of samples take all classes in turn. 0 for no labels.
      class_shares: sampling shares of the classes instead, numbers that sum to 1.
    """

    def __init__(self, recipe: Recipe, mesh: jax.sharding.Mesh, num_classes: int, class_shares: tuple[float, ...] = ()):
        self._mesh = mesh
        self._class_edges = np.cumsum(class_shares)
        self._num_classes = num_classes
        self.names = tuple(recipe.views)
        self.probability = recipe.facts.get("discriminate", {}).get("probability", False)
        self._views = {
            name: View(function, name in recipe.images, mesh, self._labels)
            for name, function in {**_compositions(recipe), **recipe.views}.items()
        }

    def __getattr__(self, name: str) -> View:
        if name.startswith("_") or name not in self._views:
            raise AttributeError(f"no view {name!r}: the recipe offers {', '.join(self.names)}")
        return self._views[name]

    def _labels(self, ids: np.ndarray | None) -> jax.Array | None:
        if not self._num_classes or ids is None:
            return None
        labels = np.asarray(ids) % self._num_classes
        if len(self._class_edges):
            # Multiples of the golden ratio fill [0, 1) evenly: the shares are right among any number of samples.
            place = (np.asarray(ids) + 0.5) * _GOLDEN % 1 * self._class_edges[-1]
            labels = np.minimum(np.searchsorted(self._class_edges, place, side="right"), self._num_classes - 1)
        return placement.place(self._mesh, labels.astype(np.int32))


def _compositions(recipe: Recipe) -> dict[str, Callable]:
    """Views that are made of the recipe's own."""
    views = recipe.views
    if not {"latents", "decode"} <= set(views):
        return {}

    def project(state, images, key, ids, labels, budget):
        def decode(latents):
            return views["decode"](state, latents, labels).astype(jnp.float32)

        return projection.project(decode, views["latents"], images, key, ids, budget)

    return {"path": near_images(views), "project": project}


def near_images(views: Mapping[str, Callable]) -> Callable:
    """`(state, key, ids, epsilon, labels, space="z", sampling="full")` -> images at t and t + epsilon of random paths.

    Images are [n, H, W, C] in [-1, 1]. Each path leads between two random latents.

    space: "z" takes great circles. "w" takes straight lines between the mapped latents.
    sampling: t is uniform in [0, 1] ("full"), or 0 ("end").

    Args:
      views: views of a recipe: latents and decode. "w" also needs mapping and synthesis.
    """

    def path(state, key, ids, epsilon, labels, space="z", sampling="full"):
        start, end = (views["latents"](jax.random.fold_in(key, i), ids) for i in (0, 1))
        t = jnp.zeros(ids.shape)
        if sampling == "full":
            t = example_uniform(jax.random.fold_in(key, 2), ids, ())
        fractions = jnp.stack([t, t + epsilon], axis=1)
        if space == "w":
            start, end = (views["mapping"](state, latents, labels) for latents in (start, end))
            both = start[:, None] + fractions[..., None] * (end - start)[:, None]
            return tuple(views["synthesis"](state, both[:, i]) for i in (0, 1))
        flat = (latents.reshape(len(latents), -1) for latents in (start, end))
        both = slerp(*flat, fractions).reshape(len(start), 2, *start.shape[1:])
        return tuple(views["decode"](state, both[:, i], labels) for i in (0, 1))

    return path


def slerp(start, end, fractions):
    """Spherical interpolation between rows of `start` and `end` [rows, D] (White 2016), in NumPy or JAX.

    A straight line between two Gaussian latents passes near the origin, where no training latent ever lies.

    Args:
      fractions: positions on the way, [T] for all rows or [rows, T] for each row.

    Returns:
      [rows, T, D].
    """
    xp = jnp if isinstance(start, jax.Array) else np
    norms = xp.linalg.norm(start, axis=-1) * xp.linalg.norm(end, axis=-1)
    angle = xp.arccos(xp.clip(xp.sum(start * end, -1) / norms, -1, 1))[:, None, None]
    weight = xp.broadcast_to(fractions, (len(start), fractions.shape[-1]))[..., None]
    sine = xp.sin(angle)
    # Parallel latents have no circle between them: the straight line is its limit.
    straight = xp.abs(sine) < 1e-6
    sine = xp.where(straight, 1.0, sine)
    first = xp.where(straight, 1 - weight, xp.sin((1 - weight) * angle) / sine)
    second = xp.where(straight, weight, xp.sin(weight * angle) / sine)
    return first * start[:, None] + second * end[:, None]
