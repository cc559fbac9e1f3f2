"""Turns a study's config into entries and runs, and finds every mistake before the first run starts."""

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import checks, configuration, experiments, lookup, paths, run_config

ORDERS = ("seeds", "entries")
BUDGETS = ("steps", "images", "seconds")
# Steps of a run whose budget is time: it is never reached.
_ENDLESS = 10**9
_STUDY_KEYS = {"title", "seeds", "order", "rank_by", "runs_at_once", "lanes", "budget", "redo", "entries"}
_ENTRY_KEYS = {"config", "title", "seeds", "budget"}
_NAMED = {"model": "models", "recipe": "recipes", "data": "data"}  # group of the config: package of what it names


class PlannedRun(NamedTuple):
    """One process.

    entry: name of its entry. seeds: one seed, or all seeds as lanes of one program.
    workdir: its folder below the study's folder. arguments: of `python -m jaxgen.main`, without --workdir.
    config: the config that these arguments give.
    """

    entry: str
    seeds: tuple[int, ...]
    workdir: str
    arguments: tuple[str, ...]
    config: ConfigDict

    @property
    def label(self) -> str:
        """Its name for messages."""
        return f"{self.entry} seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"


class Entry(NamedTuple):
    """A subject of the comparison: an experiment with changes, with a run for each seed."""

    name: str
    title: str
    config: str
    overrides: dict[str, Any]
    seeds: tuple[int, ...]
    budget: dict[str, float]
    runs: tuple[PlannedRun, ...]


class StudyPlan(NamedTuple):
    """The contents of a study's config."""

    name: str
    title: str
    file: str
    order: str
    rank_by: str
    runs_at_once: int
    redo: tuple[str, ...]
    entries: tuple[Entry, ...]

    def runs(self) -> list[PlannedRun]:
        """All runs in the order of their execution."""
        if self.order == "entries":
            return [run for entry in self.entries for run in entry.runs]
        longest = max(len(entry.runs) for entry in self.entries)
        rounds = ([entry.runs[i] for entry in self.entries if i < len(entry.runs)] for i in range(longest))
        return [run for of_seed in rounds for run in of_seed]


def is_study(config: object) -> bool:
    """Whether a config is a study and not a run."""
    return isinstance(config, ConfigDict) and "entries" in config and "steps_per_dispatch" in config


def read(config: ConfigDict, file: str) -> StudyPlan:
    """The study in the config `file`.

    Raises:
      UserError: an impossible setting. The message names its entry.
    """
    if config.order not in ORDERS:
        raise UserError(lookup.unknown("config.order", config.order, list(ORDERS)))
    if config.runs_at_once < 1:
        raise UserError(f"config.runs_at_once={config.runs_at_once}: it must be 1 or more")
    if not config.entries:
        raise UserError(f"{file}: the study has no entries. Add some with default_study.add(study, NAME, CONFIG)")
    path = Path(file.split(":")[0])
    entries = tuple(_entry(name, config, path) for name in config.entries)
    redo = tuple(part for names in config.redo for part in lookup.listed(str(names), "config.redo", "an entry"))
    for name in redo:
        if name not in config.entries:
            raise UserError(lookup.unknown("config.redo", name, sorted(config.entries)))
    title = config.title or path.stem
    if config.rank_by:
        lookup.check_spelling("metrics", config.rank_by, "config.rank_by")
    of_runs = config.order, config.rank_by, config.runs_at_once
    return StudyPlan(path.stem, title, _as_typed(path), *of_runs, redo, entries)


def _as_typed(path: Path) -> str:
    """A path as people would type it here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _entry(name: str, study: ConfigDict, file: Path) -> Entry:
    where = f"config.entries.{name}"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise UserError(f"{where}: a name may have letters, digits, _ and - only, since its folder has this name too")
    entry = study.entries[name]
    if not (isinstance(entry, ConfigDict) and set(entry) >= _ENTRY_KEYS):
        raise UserError(f"{where}: add entries with default_study.add(study, {name!r}, CONFIG)")
    seeds = _seeds(entry.seeds, f"{where}.seeds") or _seeds(study.seeds, "config.seeds")
    if not seeds:
        raise UserError("config.seeds=() is empty. Name at least one seed")
    overrides = {**_changes(study, _STUDY_KEYS), **_changes(entry, _ENTRY_KEYS)}
    budget = _budget(entry.budget, f"{where}.budget") or _budget(study.budget, "config.budget")
    if budget and "steps" in overrides:
        raise UserError(f"{where}: steps={overrides['steps']} and budget.{next(iter(budget))} conflict. Set only one")
    path = _find(entry.config, file.absolute().parent, where)
    if is_study(_load(path, {}, where)):
        raise UserError(f"{where}: {path} is a study itself. An entry is an experiment")
    together = study.lanes and len(seeds) > 1
    runs = []
    for group in [seeds] if together else [(seed,) for seed in seeds]:
        # The study's report shows every run, so that no run makes a page of its own.
        changes = {"report": False, **overrides, **_of_seeds(group, where)}
        config = _load(path, changes, where)
        if budget:
            changes |= _lengths(budget, config, where)
            config = _load(path, changes, where)
        _check(config, where)
        folder = f"runs/{name}" if together else f"runs/{name}/seed_{group[0]}"
        runs.append(PlannedRun(name, group, folder, (f"--config={path}", *_flags(changes)), config))
    return Entry(name, entry.title or name, path, overrides, seeds, budget, tuple(runs))


def _seeds(values: tuple, key: str) -> tuple[int, ...]:
    for seed in values:
        if type(seed) is not int or seed < 0:
            raise UserError(f"{key}={values!r}: seeds must be whole numbers from 0 on")
    if len(set(values)) < len(values):
        raise UserError(f"{key}={values!r} names a seed twice")
    return tuple(values)


def _of_seeds(seeds: tuple[int, ...], where: str) -> dict[str, Any]:
    if len(seeds) == 1:
        return {"seed": seeds[0]}
    if tuple(range(seeds[0], seeds[0] + len(seeds))) != seeds:
        raise UserError(f"{where}: with lanes the seeds must be consecutive, such as (0, 1, 2), but they are {seeds}")
    return {"seed": seeds[0], "num_seeds": len(seeds)}


def _changes(part: ConfigDict, own: set[str]) -> dict[str, Any]:
    """The run's keys that are set in a study or an entry, by their dotted names."""
    flat = configuration.flatten(part.to_dict())
    return {key: value for key, value in flat.items() if key.partition(".")[0] not in own and value is not None}


def _budget(budget: ConfigDict, key: str) -> dict[str, float]:
    given = {name: budget[name] for name in BUDGETS if budget[name]}
    for name, value in given.items():
        if not (math.isfinite(value) and value > 0):
            raise UserError(f"{key}.{name}={value}: it must be 0 (none) or more")
    if len(given) > 1:
        raise UserError(f"{key} has {' and '.join(given)}. Set only one of them")
    return given


def _lengths(budget: dict[str, float], config: ConfigDict, where: str) -> dict[str, Any]:
    """The run's own keys that a budget comes to."""
    (kind, value), per_dispatch = next(iter(budget.items())), config.steps_per_dispatch
    if kind == "steps":
        return {"steps": value}
    if kind == "seconds":
        return {"budget.seconds": value, "steps": _ENDLESS // per_dispatch * per_dispatch}
    steps = value // config.batch_size // per_dispatch * per_dispatch
    if not steps:
        raise UserError(
            f"{where}: budget.images={value} is less than one dispatch of {per_dispatch} steps of {config.batch_size} "
            "images. Raise it, or lower steps_per_dispatch"
        )
    return {"steps": steps}


def _find(name: str, folder: Path, where: str) -> str:
    """What --config is to be for an entry's experiment."""
    package = experiments.folder()
    stem, colon, argument = paths.resolved(name, f"{where}.config").partition(":")
    for path in (Path(stem), folder / stem, folder / f"{stem}.py", package / f"{stem}.py"):
        if stem and path.is_file():
            return f"{_as_typed(path)}{colon}{argument}"
        if stem and (path / "config.json").is_file():
            return _as_typed(path)
    known = {path.stem for place in (folder, package) for path in place.glob("*.py")}
    known = sorted(name for name in known if not name.startswith(("default", "study_", "_")))
    raise UserError(lookup.unknown(f"{where}.config", name, known, "a path"))


def _flags(changes: dict[str, Any]) -> list[str]:
    return [f"--config.{key}={value}" for key, value in changes.items()]


def _load(path: str, changes: dict[str, Any], where: str) -> ConfigDict:
    try:
        return run_config.load(path, _flags(changes))
    except UserError as error:
        raise UserError(f"{where} ({path}): {error}") from error


def _check(config: ConfigDict, where: str) -> None:
    """Refuses mistakes that are visible before the data are opened."""
    try:
        checks.check(config)
        # Names, which need no heavy import to be checked.
        names = [(f"config.{group}.name", package, config[group].name) for group, package in _NAMED.items()]
        names += [("config.evaluation.metrics", "metrics", name) for name in config.evaluation.metrics]
        for key, package, name in names:
            lookup.check_spelling(package, name, key)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
