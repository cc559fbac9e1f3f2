"""One run as its work directory tells it, and what is wrong with it."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.settings.configuration import is_budget_spent

# How bad a finding is, the worst first.
LEVELS = ("bad", "warning", "note")
_ERROR_LINE = re.compile(r"(?:seed (-?\d+): )?(.*)", re.DOTALL)
_NOT_FINITE = (" became nan", " became inf", " became -inf")


class NumberOrigin(NamedTuple):
    """What a number was made from: the checkpoint's step and `config.evaluation.seed`, None where no file says."""

    step: int | None
    seed: int | None


class Failure(NamedTuple):
    """What ended the training of a program: diverged: a number became nan or infinite. seed: whose, if a file says."""

    diverged: bool
    message: str
    seed: int | None = None

    @classmethod
    def in_line(cls, line: str) -> "Failure":
        """The failure that an error line of a log or of study.json tells.

        Runs of versions before failure.json have nothing but this line, so it is read for their sake.
        """
        seed, message = _ERROR_LINE.fullmatch(line).groups()
        return cls(any(words in message for words in _NOT_FINITE), message, None if seed is None else int(seed))


class Finding(NamedTuple):
    """What is wrong with a run. kind: a word or two. text: a sentence. level: one of LEVELS.

    sampler: the fitted density of latents whose samples it is about, "" for the prior's and for all other findings.
    """

    kind: str
    level: str
    text: str
    sampler: str = ""

    @property
    def badge(self) -> str:
        """The kind, and the sampler that it is about."""
        return f"{self.kind} ({self.sampler})" if self.sampler else self.kind


@dataclass(eq=False)
class RunRecord:
    """What is known of a run.

    folder: its work directory. Of a seed that shares its program with others, its folder `seed_<s>`.
    place: the folder as the report names it.
    config: as nested dict, complete. {} where it cannot be read.
    results: {metric: record of evaluation.json}. skipped: {metric: reason}.
    baselines: {name: {metric: record}} of baselines.json.
    facts: `_run` of evaluation.json over what config.json holds beside the config.
    step: the last that was trained, as lines, checkpoints, alarms and evaluations tell.
    outgrown: the steps of its config.json, where it was trained for more. `config` then has those that it was.
    origins: {metric: what its number was made from}.
    lines: of metrics.jsonl, this seed's.
    lanes: how many seeds shared its program. Of seconds and FLOPs timing then has this seed's part.
    resumes, restarts: how often it went on from a checkpoint, and how often it began again without one.
    failure: what ended its training, if it was not continued since.
    problems: what is wrong with its files, one sentence each.
    entry: the entry of study.json that it belongs to.
    findings: what is wrong with it, the worst first. Known once it was compared with its section.
    """

    folder: Path
    place: str
    config: dict[str, Any] = field(default_factory=dict)
    results: dict[str, dict] = field(default_factory=dict)
    origins: dict[str, NumberOrigin] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float | None] = field(default_factory=dict)
    alarms: list[dict] = field(default_factory=list)
    lines: list[dict[str, float]] = field(default_factory=list)
    step: int | None = None
    outgrown: int | None = None
    lanes: int = 1
    resumes: int = 0
    restarts: int = 0
    failure: Failure | None = None
    problems: list[str] = field(default_factory=list)
    entry: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def seed(self) -> int | None:
        """Of the training."""
        return self.config.get("seed")

    @property
    def anchor(self) -> str:
        """Of its card."""
        return "run-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in self.place)

    @property
    def evaluated(self) -> bool:
        """Whether there are numbers of it, beside those of inversions."""
        return any(record.get("view") != "project" for record in self.results.values())

    @property
    def finished(self) -> bool:
        """Whether it was trained to its last step, or as long as its budget of seconds was."""
        if self.step is None:
            return False
        limit = (self.config.get("budget") or {}).get("seconds") or 0
        spent = self.timing.get("step_seconds")
        per_dispatch = self.config.get("steps_per_dispatch") or 1
        return self.step >= self.config.get("steps", math.inf) or (
            isinstance(spent, int | float) and is_budget_spent(limit, spent, self.step, per_dispatch)
        )

    def earlier(self, key: str) -> int | None:
        """The step that a number is of, where the run was trained beyond it."""
        step = self.origins[key].step if key in self.origins else None
        return step if step is not None and self.step is not None and step < self.step else None

    def files(self, pattern: str) -> list[Path]:
        """Its files of that pattern, by name."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
