"""`--mode=project`: held-out images inverted, by latents or by styles."""

from pathlib import Path

from jaxgen.commands import projection, style_projection
from jaxgen.errors import UserError
from jaxgen.runs import restoring
from jaxgen.settings.lookup import unknown

SPACES = ("z", *style_projection.SPACES)


def project(config, folder: Path, checkpoint: str) -> None:
    """Inverts images in the space that `config.project.space` names; of several seeds in the folder of each.

    Raises:
      UserError: no such space, or none of the model's.
    """
    space = config.project.space
    if space not in SPACES:
        raise UserError(unknown("config.project.space", space, list(SPACES)))
    invert = projection.project if space == "z" else style_projection.project
    for config_of_seed, folder_of_seed in restoring.each_seed(config, folder):
        invert(config_of_seed, folder_of_seed, checkpoint)
