"""The work of `python -m jaxgen.convert`."""

import argparse
import hashlib
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import existing_run
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files import outputs, workdir
from jaxgen.official import tensor_files, weights
from jaxgen.official.description import Description, converted_config, describe
from jaxgen.recipes.base import PyTree
from jaxgen.runs import restoring, session
from jaxgen.settings import checks, run_config
from jaxgen.training import alarms

log = logging.getLogger(__name__)
_NOT_IN_TENSORS = ("conv_clamp", "stddev_group", "mapping_lr_multiplier")


def convert(arguments: argparse.Namespace, overrides: list[str]) -> None:
    """Makes a work directory with a checkpoint of step 0 from a file of networks.

    Args:
      arguments: parsed arguments of `jaxgen.convert`: source, workdir, config, data, data_dir.
      overrides: `--config.key=value` of the command line.

    Raises:
      UserError: the file is refused, jaxgen lacks such networks, the data do not fit, or the work directory is in use.
    """
    source, folder = arguments.source, arguments.workdir
    base = run_config.load(arguments.config, overrides) if arguments.config else None
    contents = tensor_files.read_networks(source)
    description = describe(contents.networks, str(source), base and base.model)
    config = converted_config(description, contents.training_set, base, arguments.data, arguments.data_dir)
    checks.check(config)
    opened = session.open_session(config, needs_images=False)
    networks = weights.players_of(contents.networks, str(source))
    weights.check(networks, jax.eval_shape(opened.recipe.init, jax.random.key(0)), str(source))
    if any((folder / name).exists() for name in ("config.json", "checkpoints")):
        raise UserError(f"--workdir={folder} holds a run already. Name another folder")
    with workdir.lock(folder):
        given = networks, np.float32(description.ada_p)
        state = parallel.init_state(opened.recipe, opened.mesh, config.seed, _filled, given)
        checkpoints = restoring.open_checkpoints(config, folder)
        # What the training loop wants to know of the moment before its first step.
        watched = alarms.Watch(config.alarms).state()
        meta = {"step": 0, "window": {}, "alarms": watched, "seconds": {}, "flops_per_step": math.nan}
        checkpoints.save(0, state, meta)
        checkpoints.close()
        # Last, since a work directory without it is none.
        workdir.bind(
            folder, config, {**session.provenance(opened), "converted": _origin(source, contents, description)}
        )
    _tell(source, folder, contents.networks, description, config)


def export_weights(folder: Path, checkpoint: str, out: Path) -> None:
    """Writes a run's weights, moving average and filters under the official tensor names.

    Raises:
      UserError: no run or checkpoint, not a StyleGAN2, or a file that cannot be written.
    """
    existing_run.check_one_seed(folder, checkpoint, "--workdir=")
    run = restoring.load_arrays(folder, checkpoint)
    if run.config.recipe.name != "stylegan2":
        raise UserError(f"--workdir={folder}: a run of the recipe {run.config.recipe.name!r}, not of stylegan2")
    tensors = weights.tensors_of(run.players)
    metadata = {"step": str(run.step), **{key: str(run.config.model[key]) for key in _NOT_IN_TENSORS}}
    tensor_files.write_tensors(outputs.target_of(out), tensors, metadata)
    log.info("%d tensors of step %d written to %s", len(tensors), run.step, out)


def _filled(players: dict[str, PyTree], given: tuple[Mapping[str, dict], jax.Array]) -> dict[str, PyTree]:
    """The fresh state's players with the weights and the augmentation's p; the optimisers' states stay fresh."""
    networks, p = given
    filled = {**players, **{name: players[name].replace(**collections) for name, collections in networks.items()}}
    if "strength" in filled:
        filled["strength"] = filled["strength"].replace(p=jnp.where(p > 0, p, filled["strength"].p))
    return filled


def _origin(source: Path, contents: tensor_files.Contents, description: Description) -> dict[str, Any]:
    """Where the weights came from, for config.json."""
    snapshot = re.search(r"network-snapshot-(\d+)", source.name)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": str(source.absolute()),
        "sha256": digest,
        "networks": sorted(contents.networks),
        "kimg": int(snapshot[1]) if snapshot else None,
        "training_set": contents.training_set,
        "half_precision_resolutions": description.half_precision_resolutions,
        "augmentation_p": description.ada_p,
    }


def _tell(
    source: Path, folder: Path, networks: Mapping[str, Any], description: Description, config: ConfigDict
) -> None:
    size = f"{description.resolution}x{description.resolution}x{description.channels}"
    classes = f", {description.num_classes} classes" if description.num_classes else ""
    log.info("%s: %s of %s%s, now in %s", source, ", ".join(sorted(networks)), size, classes, folder)
    for missing, instead in (("D", "starts at random"), ("G", "is a copy of G_ema"), ("G_ema", "is a copy of G")):
        if missing not in networks:
            log.warning("%s: no %s in it. It %s", source, missing, instead)
    if not any(network.attributes for network in networks.values()):
        assumed = ", ".join(f"{key}={config.model[key]}" for key in _NOT_IN_TENSORS)
        log.warning("%s: the tensors do not show these settings, which come from the config: %s", source, assumed)
    if description.half_precision_resolutions and not config.model.bfloat16_resolutions:
        log.info("trained with float16 at %d resolutions, converted to float32", description.half_precision_resolutions)
    log.info("next: python -m jaxgen.main --workdir %s --mode=sample", folder)
