"""Settles `evaluation.extractor="auto"` of a run once, so that later evaluations of the run have the same network."""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from jaxgen.devices import processes
from jaxgen.files import evaluation_file
from jaxgen.files.logs import end_log, start_log
from jaxgen.metrics.base import CHOSEN
from jaxgen.metrics.extractors.automatic import AUTO, choose, fallback
from jaxgen.settings import lookup


class Settled(NamedTuple):
    """config: with the name of a network. told: a line about the choice for the log, "" if there was none."""

    config: ConfigDict
    told: str = ""


def settle(config: ConfigDict, folder: Path) -> Settled:
    """The config of a run with a network in place of "auto", if one of its metrics asks for the chosen network.

    A network that the config names stays. Else a run goes on with the network of its config.json, or of its
    evaluation.json. A new run takes what `extractors.automatic.choose` says. All processes must call this. They take
    Inception only if all of them have its weights.

    Args:
      folder: the work directory, which need not exist.
    """
    if config.evaluation.extractor != AUTO or not _asks_for_network(config):
        return Settled(config)
    if before := processes.share(_before(folder)):
        return Settled(_with(config, before), f"the feature network is {before}, as in this run before")
    start_log(None, show=processes.is_primary())
    try:
        choice = choose(config.evaluation.resize, config.evaluation.extractor_weights)
    finally:
        end_log()
    if processes.anywhere(choice.name != "inception") and choice.name == "inception":
        choice = fallback("another process of this run has no weights of it")
    return Settled(_with(config, choice.name), choice.reason)


def _asks_for_network(config: ConfigDict) -> bool:
    names = [*config.evaluation.metrics, *(config.evaluation.metrics_in_training if config.eval_every else ())]
    modules = [lookup.module("metrics", name, "config.evaluation.metrics") for name in names]
    return any(getattr(module, "EXTRACTOR", None) == CHOSEN for module in modules)


def _before(folder: Path) -> str:
    """The network that a run in this folder has, "" if it has none yet."""
    found = []
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # None yet, or one that is refused later.
        found.append(json.loads((folder / "config.json").read_text())["config"]["evaluation"]["extractor"])
    if evaluated := evaluation_file.evaluated(folder):
        found.append(evaluated["config"]["evaluation"]["extractor"])
    return next((name for name in found if name != AUTO), "")


def _with(config: ConfigDict, name: str) -> ConfigDict:
    changed = config.copy_and_resolve_references()
    with changed.unlocked():
        changed.evaluation.extractor = name
    return changed.lock()
