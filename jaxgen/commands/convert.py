"""The work of `python -m jaxgen.convert`."""

import argparse
import hashlib
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import existing_run
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files import outputs, workdir
from jaxgen.official import dcgan_generator, tensor_files, weights
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
    published = _published(arguments, contents, base)
    config, networks = published.config, published.players
    checks.check(config)
    opened = session.open_session(config, needs_images=False)
    weights.check(networks, jax.eval_shape(opened.recipe.init, jax.random.key(0)), str(source), published.kind)
    if any((folder / name).exists() for name in ("config.json", "checkpoints")):
        raise UserError(f"--workdir={folder} holds a run already. Name another folder")
    with workdir.lock(folder):
        given = networks, np.float32(published.ada_p)
        state = parallel.init_state(opened.recipe, opened.mesh, config.seed, _filled, given)
        checkpoints = restoring.open_checkpoints(config, folder)
        # What the training loop wants to know of the moment before its first step.
        watched = alarms.Watch(config.alarms).state()
        meta = {"step": 0, "window": {}, "alarms": watched, "seconds": {}, "flops_per_step": math.nan}
        checkpoints.save(0, state, meta)
        checkpoints.close()
        # Last, since a work directory without it is none.
        workdir.bind(folder, config, {**session.provenance(opened), "converted": _origin(source, published.origin)})
    log.info("%s: %s, now in %s", source, published.told, folder)
    for line in published.warnings:
        log.warning("%s: %s", source, line)
    log.info("next: python -m jaxgen.main --workdir %s --mode=sample", folder)


class _Published(NamedTuple):
    """Networks of a file as a run of jaxgen.

    kind: what they are. config: of the run. players: `{name: {params, stats}}`. origin: facts for `config.json`.
    told, warnings: for people. ada_p: the augmentation's p.
    """

    kind: str
    config: ConfigDict
    players: dict[str, Any]
    origin: dict[str, Any]
    told: str
    warnings: list[str]
    ada_p: float = 0.0


def _published(arguments: argparse.Namespace, contents: tensor_files.Contents, base: ConfigDict | None) -> _Published:
    """The networks of the file, of the first kind that knows them."""
    source, where = arguments.source, (arguments.data, arguments.data_dir)
    if generator := dcgan_generator.find(contents.networks, str(source)):
        config = dcgan_generator.converted_config(generator, base, *where)
        told = f"netG of {generator.side}x{generator.side}x{generator.channels}, {generator.latent_dim} latents"
        warnings = ["no moving average in it. It is a copy of netG", "the discriminator starts at random"]
        players = dcgan_generator.players_of(generator)
        return _Published("DCGAN", config, players, {"networks": ["netG"]}, told, warnings)
    description = describe(contents.networks, str(source), base and base.model)
    config = converted_config(description, contents.training_set, base, *where)
    return _Published(
        "StyleGAN2",
        config,
        weights.players_of(contents.networks, str(source)),
        _origin_of_stylegan2(contents, description),
        *_told_of_stylegan2(contents.networks, description, config),
        description.ada_p,
    )


def export_weights(folder: Path, checkpoint: str, out: Path) -> None:
    """Writes a run's weights under the official tensor names.

    A StyleGAN2 gives all networks with moving average and filters. A DCGAN gives the moving average of its generator.

    Raises:
      UserError: no run or checkpoint, another model, or a file that cannot be written.
    """
    existing_run.check_one_seed(folder, checkpoint, "--workdir=")
    run = restoring.load_arrays(folder, checkpoint)
    model = run.config.model
    if run.config.recipe.name == "stylegan2":
        tensors, settings = weights.tensors_of(run.players), _NOT_IN_TENSORS
    elif dcgan_generator.is_one(run.players.get("ema", {})):
        tensors, settings = dcgan_generator.tensors_of(run.players["ema"]), ()
    else:
        kind = f"the recipe {run.config.recipe.name!r} and the model {model.name!r}"
        raise UserError(f"--workdir={folder}: a run of {kind}, neither a stylegan2 nor PyTorch's DCGAN with BatchNorm")
    metadata = {"step": str(run.step), **{key: str(model[key]) for key in settings}}
    tensor_files.write_tensors(outputs.target_of(out), tensors, metadata)
    log.info("%d tensors of step %d written to %s", len(tensors), run.step, out)


def _filled(players: dict[str, PyTree], given: tuple[Mapping[str, dict], jax.Array]) -> dict[str, PyTree]:
    """The fresh state's players with the weights and the augmentation's p; the optimisers' states stay fresh."""
    networks, p = given
    filled = {**players, **{name: players[name].replace(**collections) for name, collections in networks.items()}}
    if "strength" in filled:
        filled["strength"] = filled["strength"].replace(p=jnp.where(p > 0, p, filled["strength"].p))
    return filled


def _origin(source: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where the weights came from, for config.json."""
    snapshot = re.search(r"network-snapshot-(\d+)", source.name)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kimg = int(snapshot[1]) if snapshot else None
    return {"file": str(source.absolute()), "sha256": digest, "kimg": kimg, **facts}


def _origin_of_stylegan2(contents: tensor_files.Contents, description: Description) -> dict[str, Any]:
    return {
        "networks": sorted(contents.networks),
        "training_set": contents.training_set,
        "half_precision_resolutions": description.half_precision_resolutions,
        "augmentation_p": description.ada_p,
    }


def _told_of_stylegan2(
    networks: Mapping[str, Any], description: Description, config: ConfigDict
) -> tuple[str, list[str]]:
    """What is in the file, and warnings."""
    size = f"{description.resolution}x{description.resolution}x{description.channels}"
    classes = f", {description.num_classes} classes" if description.num_classes else ""
    warnings = []
    for missing, instead in (("D", "starts at random"), ("G", "is a copy of G_ema"), ("G_ema", "is a copy of G")):
        if missing not in networks:
            warnings.append(f"no {missing} in it. It {instead}")
    if not any(network.attributes for network in networks.values()):
        assumed = ", ".join(f"{key}={config.model[key]}" for key in _NOT_IN_TENSORS)
        warnings.append(f"the tensors do not show these settings, which come from the config: {assumed}")
    told = f"{', '.join(sorted(networks))} of {size}{classes}"
    if description.half_precision_resolutions and not config.model.bfloat16_resolutions:
        told += f", trained with float16 at {description.half_precision_resolutions} resolutions, float32 here"
    return told, warnings
