"""`--mode=evaluate`: a checkpoint measured again, into evaluation.json."""

import json
from pathlib import Path

from jaxgen.commands import finishing
from jaxgen.devices import lost_processes, processes
from jaxgen.devices.stopping import Stop
from jaxgen.runs import restoring
from jaxgen.settings import run_config
from jaxgen.training import lanes, timing


def evaluate(config, folder: Path, checkpoint: str) -> str:
    """Evaluates a checkpoint again, into evaluation.json; the folder may be that of one of several seeds.

    Returns:
      The table of the evaluation; "" where it was asked to stop, and in all processes but the primary one.
    """
    lost_processes.start(folder)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, _):
        container, stop = lanes.container_of(folder), Stop()  # several processes listen to JAX's notices alone
        timing_file = (container or folder) / "timing.json"
        measured = json.loads(timing_file.read_text()) if timing_file.exists() else {}
        if container is not None:
            measured = timing.share(measured, run_config.read(container).num_seeds)
        seeds = lanes.make_lanes(config, folder, None)
        evaluated = finishing.evaluate_seeds(opened, folder, state, seeds, measured, stop)
        if evaluated is None:
            return ""
        processes.wait_for_all("evaluated")
        return evaluated.table
