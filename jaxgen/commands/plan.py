"""`--mode=plan`: compiles the training step for absent hardware."""

from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.planning import plan as planning


def plan(config, folder: Path, topology: str | None) -> None:
    """Plans the training. The last line of stdout is JSON. No file is written.

    Raises:
      UserError: several seeds, or a refusal of `jaxgen.planning.plan`.
    """
    del folder
    if config.num_seeds > 1:
        raise UserError(f"config.num_seeds={config.num_seeds}: --mode=plan plans the step of one seed. Set it to 1")
    planning.plan(config, topology)
