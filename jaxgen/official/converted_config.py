"""The config of a converted network's work directory."""

from typing import Any

from ml_collections import ConfigDict

from configs import default
from jaxgen.data.container import open_container
from jaxgen.errors import UserError
from jaxgen.official.description import Description
from jaxgen.ops.ada import pipeline

# What training does with the numbers; everything else of `config.model` is the network's own.
_COMPUTATION = ("bfloat16_resolutions", "fused_modulation")
_KIMG = 25_000


def converted_config(
    description: Description, training_set: dict[str, Any], base: Any, data: str, data_dir: str
) -> Any:
    """A config whose model is the described one, and whose images are of its size.

    Args:
      training_set: what the file says of its data.
      base: a config to take data, training and evaluation from; None: those that StyleGAN2-ADA's `auto` trains with.
      data: the name of a data source, or a folder or zip of images; "": that of `base`, or none.
      data_dir: `config.data.dir`, where the source's archives lie.
    """
    config = ConfigDict(base) if base is not None else _training(description, training_set)
    with config.unlocked():
        kept = {key: config.model[key] for key in _COMPUTATION}
        config.model.update({**default.get_config().model.to_dict(), **description.model, **kept})
        config.recipe.name = "stylegan2"
        config.recipe.w_avg_beta = description.w_avg_beta
        if data:
            config.data.update(_source(data, data_dir))
        elif base is None:
            config.data.name = "none"
        config.data.image_size, config.data.channels = description.resolution, description.channels
        config.data.num_classes = description.num_classes
    return config.lock()


def _source(data: str, data_dir: str) -> dict[str, str]:
    from pathlib import Path

    if Path(data).expanduser().exists():
        if data_dir:
            raise UserError(f"--data={data} is a folder or zip of images itself: leave out --data_dir")
        open_container(Path(data).expanduser())
        return {"name": "folder", "dir": str(Path(data).expanduser().absolute())}
    return {"name": data, "dir": data_dir}


def _training(description: Description, training_set: dict[str, Any]) -> Any:
    """The settings that the ADA paper's code derives from the resolution (`auto`, one device)."""
    side = description.resolution
    config = default.get_config()
    batch = max(min(4096 // side, 32), 4)
    config.batch_size = batch
    config.steps_per_dispatch = 20
    config.steps = _KIMG * 1000 // batch // 20 * 20
    config.sample_every = config.checkpoint_every = 5_000
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 0.002 if side >= 1024 else 0.0025, "b1": 0.0, "b2": 0.99})
    config.recipe.r1_gamma = 0.0002 * side**2 / batch
    config.recipe.ema_kimg = batch * 10 / 32
    config.data.flip = bool(training_set.get("xflip", False))
    if description.ada_pipeline in pipeline.CHOICES:
        config.recipe.ada_pipeline = description.ada_pipeline
    return config
