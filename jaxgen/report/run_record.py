"""One run as its work directory describes it, and findings about it."""

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
    """The origin of a number: the checkpoint's step and `config.evaluation.seed`, None if unknown."""

    step: int | None
    seed: int | None


class Failure(NamedTuple):
    """The end of a program's training. diverged: a number became nan or infinite. seed: the failed seed, if known."""

    diverged: bool
    message: str
    seed: int | None = None

    @classmethod
    def in_line(cls, line: str) -> "Failure":
        """The failure in an error line of a log or of study.json.

        Runs of versions before failure.json have only this line.
        """
        seed, message = _ERROR_LINE.fullmatch(line).groups()
        return cls(any(words in message for words in _NOT_FINITE), message, None if seed is None else int(seed))


class Finding(NamedTuple):
    """A finding about a run. kind: a word or two. text: a sentence. level: one of LEVELS.

    sampler: the fitted density of latents behind its samples, "" for the prior and for all other findings.
    """

    kind: str
    level: str
    text: str
    sampler: str = ""

    @property
    def badge(self) -> str:
        """The kind, and the sampler of its samples."""
        return f"{self.kind} ({self.sampler})" if self.sampler else self.kind


@dataclass(eq=False)
class RunRecord:
    """The facts about a run.

    folder: its work directory. A seed of a program with several seeds has the folder `seed_<s>`.
    place: the folder's name in the report.
    config: the complete config as a nested dict. {} if it cannot be read.
    results: {metric: record of evaluation.json}. skipped: {metric: reason}.
    baselines: {name: {metric: record}} of baselines.json.
    facts: `_run` of evaluation.json, added to the facts of config.json.
    step: the last trained step, from lines, checkpoints, alarms and evaluations.
    outgrown: the steps of its config.json, if it trained for more. `config` then has the steps of the training.
    origins: {metric: origin of its number}.
    lines: lines of metrics.jsonl for this seed.
    lanes: number of seeds in its program. The seconds and FLOPs of `timing` are then this seed's share.
    resumes, restarts: number of continuations from a checkpoint, and of new starts without a checkpoint.
    failure: the end of its training, unless it was continued later.
    problems: problems of its files, one sentence each.
    entry: its entry of study.json.
    findings: findings about it, the worst first. They need a comparison with its section.
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
        """The seed of the training."""
        return self.config.get("seed")

    @property
    def anchor(self) -> str:
        """The anchor of its card."""
        return "run-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in self.place)

    @property
    def evaluated(self) -> bool:
        """Whether there are numbers of it, apart from inversions."""
        return any(record.get("view") != "project" for record in self.results.values())

    @property
    def finished(self) -> bool:
        """Whether it was trained to its last step, or until its budget of seconds was spent."""
        if self.step is None:
            return False
        limit = (self.config.get("budget") or {}).get("seconds") or 0
        spent = self.timing.get("step_seconds")
        per_dispatch = self.config.get("steps_per_dispatch") or 1
        return self.step >= self.config.get("steps", math.inf) or (
            isinstance(spent, int | float) and is_budget_spent(limit, spent, self.step, per_dispatch)
        )

    def earlier(self, key: str) -> int | None:
        """The step of a number, if the run was trained beyond it."""
        step = self.origins[key].step if key in self.origins else None
        return step if step is not None and self.step is not None and step < self.step else None

    def files(self, pattern: str) -> list[Path]:
        """Its files that match the pattern, by name."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
