"""Sections of one data set each, in them models: runs that differ in their seed alone."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxgen.report.find import Found
from jaxgen.report.run import Run
from jaxgen.settings import configuration

_SEED = {"seed", "num_seeds"}


@dataclass
class Model:
    """A model under one config, trained with one or more seeds.

    number: its place among the models of the whole report. slug: its anchor.
    """

    name: str
    runs: list[Run]
    number: int = 0
    slug: str = ""

    @property
    def seeds(self) -> list[int]:
        """Of its runs, in their order."""
        return [run.seed for run in self.runs if run.seed is not None]

    def of_seed(self, seed: int | None) -> Run | None:
        """The run with that seed."""
        return next((run for run in self.runs if run.seed == seed), None)


@dataclass
class Section:
    """The models of one data set."""

    title: str
    detail: str
    slug: str
    models: list[Model] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """Of all its models."""
        return [run for model in self.models for run in model.runs]


def sections(found: Found) -> tuple[list[Section], list[Run]]:
    """The runs by data set and model, and those whose data set nobody can tell."""
    by_data: dict[tuple, Section] = {}
    unknown = []
    for run in found.runs:
        key = _data(run)
        if key is None:
            unknown.append(run)
            continue
        if key not in by_data:
            by_data[key] = Section(*_titles(run), slug="")
        section = by_data[key]
        model = next((m for m in section.models if _same(m.runs[0], run) and run.seed not in m.seeds), None)
        if model is None:
            section.models.append(Model("", [run]))
        else:
            model.runs.append(run)
    _distinguish(list(by_data.values()))
    number = 0
    for section in by_data.values():
        for model in section.models:
            model.runs.sort(key=lambda run: (run.seed is None, run.seed or 0))
            model.number, number = number, number + 1
        _name(section.models)
    for kind, named in (("data", by_data.values()), ("model", [m for s in by_data.values() for m in s.models])):
        _slugs(kind, list(named))
    return list(by_data.values()), unknown


def _data(run: Run) -> tuple | None:
    """What makes data sets the same: the name, and the split that is measured against, by its hash."""
    data = run.config.get("data")
    if not isinstance(data, dict) or not data.get("name"):
        return None
    split = data.get("test_split")
    known = _digest(run)
    return (
        (data["name"], split, known) if known else (data["name"], split, data.get("image_size"), data.get("channels"))
    )


def _digest(run: Run) -> str | None:
    told = run.facts.get("data")
    hashes = told.get("sha256") if isinstance(told, dict) else None
    return hashes.get(run.config["data"].get("test_split")) if isinstance(hashes, dict) else None


def _titles(run: Run) -> tuple[str, str]:
    data, told = run.config["data"], run.facts.get("data")
    title = data["name"]
    if title in ("folder", "csv") and data.get("dir"):
        title = f"{title} {os.path.basename(str(data['dir']).rstrip('/'))}"
    shape = run.facts.get("example_shape") or (data.get("image_size"), data.get("image_size"), data.get("channels"))
    if isinstance(told, dict) and told.get("centres"):
        shape = (len(told["centres"][0]),)
    size = "x".join(map(str, shape)) if len(shape) > 1 else f"vectors of {shape[0]}"
    return title, f"{size}, measured against the split {data.get('test_split')!r}"


def _distinguish(named: list[Section]) -> None:
    """Data sets of one name get what tells them apart into their titles."""
    counts = Counter(section.title for section in named)
    for section in named:
        if counts[section.title] > 1:
            section.title = f"{section.title}, data {(_digest(section.runs[0]) or 'without a hash')[:8]}"


def _same(a: Run, b: Run) -> bool:
    """Whether two runs differ in their seed alone; under a budget of seconds the steps that they came to may differ."""
    lengths = [(run.config.get("steps"), (run.config.get("budget") or {}).get("seconds") or 0) for run in (a, b)]
    if (a.entry or {}).get("name") != (b.entry or {}).get("name") or lengths[0] != lengths[1]:
        return False
    return set(configuration.differences(a.config, b.config)) <= _SEED


def _name(models: Sequence[Model]) -> None:
    """Names from the study, or else from the folders, without what is of the seed; each once."""
    for model in models:
        entry = model.runs[0].entry
        model.name = str(entry.get("title") or entry["name"]) if entry else _common(model.runs)
    for model in models:
        same = [other for other in models if other.name == model.name]
        if len(same) > 1:
            for number, other in enumerate(same, 1):
                other.name = f"{other.name} ({number})"


def _common(runs: Sequence[Run]) -> str:
    """The first folder's name without what is of the seed, where the folder says its seed."""
    run = runs[0]
    shorter = re.sub(rf"[/_.\- ]*seed[_\- ]*{run.seed}$", "", run.place)
    if shorter == run.place and len(runs) > 1:
        shorter = re.sub(rf"[/_.\- ]+{run.seed}$", "", run.place)
    return shorter.strip("/_-. ") or str(run.config.get("model", {}).get("name", "model"))


def _slugs(kind: str, named: list) -> None:
    for number, one in enumerate(named, 1):
        one.slug = f"{kind}-{number}"
