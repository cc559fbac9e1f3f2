"""Sections of one data set each, with its models: runs that differ in their seed alone."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxgen.report.run_record import RunRecord
from jaxgen.settings import configuration

_SEED = {"seed", "num_seeds"}


@dataclass
class Model:
    """A model under one config, trained with one or more seeds. number: its place among all models of the report."""

    name: str
    runs: list[RunRecord]
    number: int = 0

    @property
    def slug(self) -> str:
        """Its anchor."""
        return f"model-{self.number + 1}"

    def of_seed(self, seed: int | None) -> RunRecord | None:
        """The run with a seed."""
        return next((run for run in self.runs if run.seed == seed), None)


@dataclass
class Section:
    """The models of one data set."""

    title: str
    detail: str
    slug: str
    models: list[Model] = field(default_factory=list)

    @property
    def runs(self) -> list[RunRecord]:
        """The runs of all its models."""
        return [run for model in self.models for run in model.runs]


def sections(runs: Sequence[RunRecord]) -> tuple[list[Section], list[RunRecord]]:
    """The runs by data set and model, and runs with an unknown data set."""
    by_data: dict[tuple, Section] = {}
    unknown = []
    for run in runs:
        key = _data(run)
        if key is None:
            unknown.append(run)
            continue
        if key not in by_data:
            by_data[key] = Section(*_titles(run), slug="")
        models = by_data[key].models
        alike = [model for model in models if _same(model.runs[0], run)]
        model = next((model for model in alike if run.seed is None or model.of_seed(run.seed) is None), None)
        if model is None:
            models.append(Model("", [run]))
        else:
            model.runs.append(run)
    parts = list(by_data.values())
    titles = Counter(section.title for section in parts)
    for number, model in enumerate(model for section in parts for model in section.models):
        model.number = number
        model.runs.sort(key=lambda run: (run.seed is None, run.seed or 0))
    for number, section in enumerate(parts, 1):
        section.slug = f"data-{number}"
        if titles[section.title] > 1:  # data sets of one name get what tells them apart
            section.title = f"{section.title}, data {(_digest(section.runs[0]) or 'without a hash')[:8]}"
        _name(section.models)
    return parts, unknown


def _data(run: RunRecord) -> tuple | None:
    """The identity of a data set: its name, and the hash of the reference split."""
    data = run.config.get("data")
    if not isinstance(data, dict) or not data.get("name"):
        return None
    return data["name"], data.get("test_split"), _digest(run) or (data.get("image_size"), data.get("channels"))


def _digest(run: RunRecord) -> str | None:
    facts = run.facts.get("data")
    hashes = facts.get("sha256") if isinstance(facts, dict) else None
    return hashes.get(run.config["data"].get("test_split")) if isinstance(hashes, dict) else None


def _titles(run: RunRecord) -> tuple[str, str]:
    data, facts = run.config["data"], run.facts.get("data")
    title = data["name"]
    if title in ("folder", "csv") and data.get("dir"):
        title = f"{title} {os.path.basename(str(data['dir']).rstrip('/'))}"
    shape = run.facts.get("example_shape") or (data.get("image_size"), data.get("image_size"), data.get("channels"))
    if isinstance(facts, dict) and facts.get("centres"):
        shape = (len(facts["centres"][0]),)
    size = "x".join(map(str, shape)) if len(shape) > 1 else f"vectors of {shape[0]}"
    return title, f"{size}, measured against the split {data.get('test_split')!r}"


def _same(a: RunRecord, b: RunRecord) -> bool:
    """Whether two runs differ in their seed alone; under a budget of seconds the steps that they came to may differ."""
    lengths = [(run.config.get("steps"), (run.config.get("budget") or {}).get("seconds") or 0) for run in (a, b)]
    if (a.entry or {}).get("name") != (b.entry or {}).get("name") or lengths[0] != lengths[1]:
        return False
    return set(configuration.differences(a.config, b.config)) <= _SEED


def _name(models: Sequence[Model]) -> None:
    """Names from the study, or else from the folders, without their seed, each once."""
    for model in models:
        entry = model.runs[0].entry
        model.name = str(entry.get("title") or entry["name"]) if entry else _common(model.runs)
    for model in models:
        same = [other for other in models if other.name == model.name]
        if len(same) > 1:
            for number, other in enumerate(same, 1):
                other.name = f"{other.name} ({number})"


def _common(runs: Sequence[RunRecord]) -> str:
    """The first folder's name without its seed, if the folder names its seed."""
    run = runs[0]
    shorter = re.sub(rf"[/_.\- ]*seed[_\- ]*{run.seed}$", "", run.place)
    if shorter == run.place and len(runs) > 1:
        shorter = re.sub(rf"[/_.\- ]+{run.seed}$", "", run.place)
    return shorter.strip("/_-. ") or str(run.config.get("model", {}).get("name", "model"))
