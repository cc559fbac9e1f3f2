"""The subject of a plan: the recipe, the batching and the shapes of a config. Known shapes replace the data."""

import logging
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxgen.data import table_codec
from jaxgen.data.base import Split, may_stream, open_dataset
from jaxgen.data.table import columns_of
from jaxgen.data.table_codec import TableCodec
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.recipes.base import Recipe
from jaxgen.runs import session
from jaxgen.settings import checks, lookup
from jaxgen.training import objective
from jaxgen.training.batches import Batching, DispatchData, shapes_of

log = logging.getLogger(__name__)


class StreamedShape(NamedTuple):
    """The shape of images that a run would not keep in memory, in place of `jaxgen.data.image_files`."""

    shape: tuple[int, int, int, int]
    dtype: jnp.dtype = jnp.dtype(jnp.uint8)
    streamed: bool = True


class Examples(NamedTuple):
    """The training split: arrays, or shapes without the data. table: the network's view of a table's rows."""

    split: Split
    num_classes: int
    table: TableCodec | None = None


class Subject(NamedTuple):
    """One config at one batch size, abstract from the first to the last array."""

    recipe: Recipe
    batching: Batching
    examples: Examples
    state: parallel.TrainState

    @property
    def data(self) -> DispatchData:
        """Shapes of one step's inputs."""
        return shapes_of(self.batching, self.examples.split, self.examples.table, 1)


def examples_of(config) -> Examples:
    """Shapes of the training split: by what `config.plan` and the source say of it, else by opening it.

    Raises:
      UserError: it is not known and cannot be opened.
    """
    settings = config.data
    source = lookup.module("data", "tfds" if settings.name.startswith("tfds:") else settings.name, "data.name")
    facts = getattr(source, "EXAMPLES", {})
    known = (settings.limit, settings.train_limit, facts.get(settings.train_split, 0))
    number = config.plan.num_images or min(filter(None, known), default=0)
    if not config.plan.num_images and (not facts or settings.class_sampling != "uniform"):
        return _opened(session.data_of(config))
    side, channels = settings.image_size or facts.get("side", 0), settings.channels or facts.get("channels", 0)
    if not side or not channels:
        raise UserError(f"To plan for data.name={settings.name!r}, set data.image_size and data.channels")
    classes = settings.num_classes or facts.get("classes", 0)
    labels = jax.ShapeDtypeStruct((number,), jnp.int32) if classes else None
    shape = number, side, side, channels
    mib = math.prod(shape) / 2**20
    if may_stream(settings, mib) and hasattr(source, "streamed"):
        log.info("data: %.0f MiB of pixels, streamed: the plan holds one step's images (data.streaming)", mib)
        return Examples(Split(StreamedShape(shape), labels), classes)
    return Examples(Split(jax.ShapeDtypeStruct(shape, jnp.uint8), labels), classes)


def _opened(settings) -> Examples:
    try:
        dataset = open_dataset(settings, progress=False)
    except UserError as error:
        raise UserError(
            f"{error}. To plan without the data, set config.plan.num_images, data.image_size, data.channels and, "
            "with classes, data.num_classes"
        ) from None
    train = dataset.splits[settings.train_split]
    columns = columns_of(dataset.facts.get("points", {}))
    table = table_codec.fit(columns, train.images, settings) if columns else None
    return Examples(train, dataset.num_classes(settings.train_split), table)


def build(config, examples: Examples, batch_size: int, mesh: Mesh) -> Subject:
    """The subject with `batch_size` examples over all devices of `mesh`.

    Raises:
      UserError: anything in the config that cannot be, or a batch that does not divide.
    """
    config = config.copy_and_resolve_references()
    config.batch_size, config.num_devices = batch_size, mesh.size  # recipes look at both
    checks.check_devices(config, mesh.size)
    module = lookup.module("recipes", config.recipe.name, "config.recipe.name")
    parts = examples.split, examples.num_classes, examples.table
    recipe, batching = objective.recipe_and_batching(config, module, *parts)
    checks.check_path_lengths(config, recipe.part_multiple, mesh.size)
    return Subject(recipe, batching, examples, parallel.abstract_state(recipe, mesh, config.seed))


def state_bytes(state: parallel.TrainState) -> dict[str, int]:
    """Bytes of the state on every device, by purpose: parameters, optimiser, statistics, averages."""
    sizes = {"parameters": 0, "optimiser": 0, "statistics and averages": 0}
    for player in state.players.values():
        parts = {"statistics and averages": player}
        if hasattr(player, "opt_state"):
            parts = {"parameters": player.params, "optimiser": player.opt_state}
            parts["statistics and averages"] = player.stats
        for name, tree in parts.items():
            sizes[name] += sum(map(parallel.bytes_on_a_device, jax.tree.leaves(tree)))
    return sizes
