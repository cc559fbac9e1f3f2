"""The recipe of a config for data of a certain shape, and the sizes of its batches."""

import inspect
from types import ModuleType

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Split, is_vectors
from jaxgen.data.table_codec import TableCodec
from jaxgen.errors import UserError
from jaxgen.recipes.base import Recipe
from jaxgen.settings import default, lookup
from jaxgen.settings.unread_settings import NotedConfig
from jaxgen.training.batches import Batching

_SAMPLING = ("uniform", "log")


def recipe_and_batching(
    config: ConfigDict, module: ModuleType, train: Split, num_classes: int, table: TableCodec | None
) -> tuple[Recipe, Batching]:
    """The recipe of `config` and the sizes of its batches.

    Args:
      config: the whole config.
      module: the module of `config.recipe.name`.
      train: the training split. Images may be a shape alone.
      num_classes: 0 without labels.
      table: the encoding of rows of a table.

    Raises:
      UserError: the recipe is for other data, or a setting is impossible.
    """
    vectors = is_vectors(train.images)
    if vectors and not getattr(module, "VECTORS" if table is None else "TABLES", False):
        raise UserError(
            f"config.recipe.name={config.recipe.name!r} trains on images, but {config.data.name} has vectors. "
            "Use recipe.name=gan"
        )
    options = {} if table is None else {"table": table}
    if "num_examples" in inspect.signature(module.build).parameters:
        options["num_examples"] = train.images.shape[0]
    shape = train.images.shape[1:] if table is None else (table.width,)
    noted = NotedConfig(config)
    recipe = module.build(noted, shape, num_classes, **options)
    noted.check(default.get_config())
    if config.shard_optimizer:
        _check_sharding(config)
        recipe = recipe._replace(shard_optimizer=True)
    weights = _class_weights(config, train, num_classes)
    stored = () if vectors else train.images.shape[1:]
    batching = Batching(config.batch_size, recipe.batches, config.grad_accum_steps, config.data.flip, stored, weights)
    return recipe, batching


def _class_weights(config: ConfigDict, train: Split, num_classes: int) -> tuple[float, ...]:
    """How often training draws each class; () for every example once an epoch."""
    check_sampling(config)
    if config.data.class_sampling == "uniform":
        return ()
    if not num_classes:
        raise UserError("config.data.class_sampling='log' needs data with class labels, but these data have none")
    return tuple(np.log1p(np.bincount(train.labels, minlength=num_classes)).tolist())


def check_sampling(config: ConfigDict) -> None:
    """Refuses an unknown way of drawing examples."""
    if config.data.class_sampling not in _SAMPLING:
        raise UserError(lookup.unknown("config.data.class_sampling", config.data.class_sampling, list(_SAMPLING)))


def _check_sharding(config: ConfigDict) -> None:
    if config.num_seeds > 1:
        raise UserError("config.shard_optimizer=True is for one seed. Set config.num_seeds=1")
    for player, settings in config.optimizers.items():
        if settings.clip_norm:
            raise UserError(
                f"config.optimizers.{player}.clip_norm needs the whole gradient, but config.shard_optimizer gives the "
                "optimiser a share of it. Set one of them to 0 or False"
            )
