"""The config of a converted network's work directory."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxgen.data.container import open_container
from jaxgen.errors import UserError
from jaxgen.official.description import Description
from jaxgen.ops import ada
from jaxgen.settings import default
from jaxgen.settings.experiments import experiment

# What training does with the numbers; everything else of `config.model` is the network's own.
_COMPUTATION = ("bfloat16_resolutions", "fused_modulation")


def converted_config(
    description: Description, training_set: dict[str, Any], base: ConfigDict | None, data: str, data_dir: str
) -> ConfigDict:
    """A config whose model is the described one, and whose images are of its size.

    Args:
      training_set: what the file says of its data.
      base: a config to take data, training and evaluation from; None: those of `configs/stylegan2_auto.py`.
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
    if Path(data).expanduser().exists():
        if data_dir:
            raise UserError(f"--data={data} is a folder or zip of images itself: leave out --data_dir")
        open_container(Path(data).expanduser())
        return {"name": "folder", "dir": str(Path(data).expanduser().absolute())}
    return {"name": data, "dir": data_dir}


def _training(description: Description, training_set: dict[str, Any]) -> ConfigDict:
    """The settings that the ADA paper's code derives from the resolution, for training on: the average has settled."""
    config = experiment(f"stylegan2_auto:{description.resolution},1").unlock()
    config.num_devices = 0
    config.model.bfloat16_resolutions = 0  # it would round coarser than their float16
    config.recipe.ema_ramp = 0.0
    config.recipe.ada_pipeline = description.ada_pipeline if description.ada_pipeline in ada.CHOICES else ""
    config.data.flip = bool(training_set.get("xflip", False))
    return config
