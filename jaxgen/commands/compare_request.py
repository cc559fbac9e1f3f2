"""Checks what `python -m jaxgen.evaluate` is asked for, before the first image is read."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from jaxgen.commands import existing_run
from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.files import command_line, outputs
from jaxgen.metrics.base import CHOSEN, PAIR_VIEWS, SAMPLE_VIEWS
from jaxgen.metrics.selection import Extractors
from jaxgen.runs import source_names
from jaxgen.settings import lookup, number_ranges

log = logging.getLogger(__name__)
_SOURCES = ("real", "fake", "train")
_OF_RUNS = {"checkpoint": "latest", "latent_sampler": latent_samplers.PRIOR}


def check(arguments: argparse.Namespace) -> ConfigDict:
    """The settings of the comparison, as `jaxgen.evaluation.engine` takes them.

    Raises:
      UserError: a mistake that shows without an image: a number, a name, a path, a place for results.
    """
    if not arguments.fake and not arguments.save_statistics:
        raise UserError("--fake is missing. Name the images to judge, or --save_statistics to keep those of --real")
    if arguments.out and not arguments.fake:
        raise UserError(f"--out={arguments.out} is for a comparison, but --fake is missing. Name both, or neither")
    _check_numbers(arguments)
    _check_places(arguments)
    kinds = {flag: _check_source(getattr(arguments, flag), f"--{flag}", arguments) for flag in _SOURCES}
    _check_flags_of_runs(arguments, kinds)
    settings = _settings(arguments)
    if settings.extractor != "auto":
        lookup.module("metrics.extractors", settings.extractor, "--extractor")
    for name in settings.metrics:
        lookup.module("metrics", name, "--metrics")
    return settings


def _check_numbers(arguments: argparse.Namespace) -> None:
    for name in ("num_samples", "num_train"):
        if getattr(arguments, name) < 0:
            raise UserError(f"--{name}={getattr(arguments, name)}: it must be 0 or more")
    if not number_ranges.SEED.holds(arguments.seed):
        raise UserError(f"--seed={arguments.seed}: it must be {number_ranges.SEED}")
    if arguments.batch_size < 1:
        raise UserError(f"--batch_size={arguments.batch_size}: it must be at least 1")


def _check_places(arguments: argparse.Namespace) -> None:
    if arguments.out:
        outputs.check_file(arguments.out, "--out", device=True)
    if arguments.save_statistics:
        outputs.check_file(arguments.save_statistics, "--save_statistics")
    if arguments.pictures:
        outputs.check_folder(arguments.pictures, "--pictures")
    written = {f"--{name}": getattr(arguments, name) for name in ("out", "save_statistics", "pictures")}
    names = {f"--{flag}": getattr(arguments, flag) for flag in (*_SOURCES, "extractor_weights")}
    outputs.check_distinct(written, {flag: name for flag, name in names.items() if isinstance(name, str)})


def _check_source(spec: object, flag: str, arguments: argparse.Namespace) -> str:
    """The kind of a source, or "" without one. An opened source has a kind of its own."""
    if not isinstance(spec, str):
        return "" if spec is None else "opened"
    if not spec and flag != "--real":
        raise UserError(f"{flag} is empty. Name {source_names.KINDS}, or leave it out")
    place = source_names.find(spec, flag)
    if place.kind == "run":
        existing_run.check_one_seed(place.path, arguments.checkpoint, f"{flag}=run:")
    return place.kind


def _check_flags_of_runs(arguments: argparse.Namespace, kinds: Mapping[str, str]) -> None:
    command_line.check_checkpoint(arguments.checkpoint)
    known = [latent_samplers.PRIOR, *latent_samplers.FITTED]
    if arguments.latent_sampler not in known:
        raise UserError(lookup.unknown("--latent_sampler", arguments.latent_sampler, known))
    for flag, usual in _OF_RUNS.items():
        value = getattr(arguments, flag)
        if value != usual and not {"run", "opened"} & set(kinds.values()):
            raise UserError(f"--{flag}={value} would change nothing: no source is a run. Name run:DIR, or leave it out")


def _settings(arguments: argparse.Namespace) -> ConfigDict:
    names = lookup.listed(arguments.metrics, "--metrics", "fid")
    keys = ("extractor", "resize", "extractor_weights", "allow_other_weights", "allow_few_samples")
    keys += ("batch_size", "seed", "num_train", "num_samples")
    return ConfigDict({"metrics": names, **{key: getattr(arguments, key) for key in keys}})


def is_of_vectors(arguments: argparse.Namespace) -> bool:
    """Whether `--real` has vectors, as far as its name tells. Vectors need no feature network."""
    if isinstance(arguments.real, str):
        return source_names.is_of_vectors(arguments.real, "--real")
    return arguments.real.is_of_vectors


def refuse_flags_of_images(arguments: argparse.Namespace) -> None:
    """Refuses flags that vectors cannot have.

    Raises:
      UserError: a flag is for images.
    """
    for flag in ("pairs", "save_statistics"):
        if getattr(arguments, flag):
            raise UserError(f"--{flag} is for images, but --real={arguments.real} has vectors")


def load_networks(settings: ConfigDict, extractors: Extractors, pairs: bool, statistics: bool) -> None:
    """Loads the feature networks that the comparison is sure to need.

    Args:
      pairs: the fakes are copies, so that metrics of samples are left out.
      statistics: the statistics of the chosen network are saved.

    Raises:
      UserError: an unknown network or input path, or weights that cannot be had.
    """
    modules = [lookup.module("metrics", name, "--metrics") for name in settings.metrics]
    views = PAIR_VIEWS if pairs else SAMPLE_VIEWS
    needed = [_network(module, extractors) for module in modules if getattr(module, "NEEDS", "") in views]
    for name in dict.fromkeys([*([extractors.chosen] if statistics else []), *filter(None, needed)]):
        extractors(name)


def _network(module: ModuleType, extractors: Extractors) -> str | None:
    name = getattr(module, "EXTRACTOR", None)
    return extractors.chosen if name == CHOSEN else name


def tell_skipped(settings: ConfigDict, skipped: Mapping[str, str], pictures: Path | None) -> None:
    """Says before the work which metrics are left out.

    Args:
      skipped: the reasons by metric.

    Raises:
      UserError: nothing is left to do.
    """
    reasons = [f"{name} {reason}" for name, reason in skipped.items()]
    if set(settings.metrics) <= set(skipped) and not pictures:
        raise UserError(f"--metrics: nothing can be computed. {'. '.join(reasons)}")
    for reason in reasons:
        log.warning("left out: %s", reason)
