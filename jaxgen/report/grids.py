"""The tables of a section, as data that the page and its Markdown twin both show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxgen.evaluation.aggregate import Summary
from jaxgen.report.comparison import MetricTable, ModelRow, number, of_step
from jaxgen.report.findings import is_disqualified
from jaxgen.report.formatting import interval, probability, rounded, significant
from jaxgen.report.run_record import LEVELS, RunRecord
from jaxgen.report.sections import Model, Section


class Cell(NamedTuple):
    """text, smaller text below it. look: "best", "bad", "warning", "muted" or "". anchor: what it links to."""

    text: str
    small: str = ""
    look: str = ""
    anchor: str = ""


NOTHING = Cell("–", look="muted")


class Badge(NamedTuple):
    """A finding's word or two, and how bad it is."""

    text: str
    level: str


@dataclass
class Grid:
    """A table: heads with smaller text below them, rows of cells (the first names the row), notes below it.

    badges: badges of each row, beside its name.
    """

    caption: str
    heads: list[Cell]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)
    badges: list[list[Badge]] = field(default_factory=list)

    def add(self, cells: list[Cell], badges: Sequence[Badge] = ()) -> None:
        """Adds a row."""
        self.rows.append(cells)
        self.badges.append(list(badges))


def _badges_of_run(run: RunRecord) -> list[Badge]:
    """The findings about a run, each kind once, at its worst level."""
    levels = {finding.badge: finding.level for finding in reversed(run.findings) if finding.level != "note"}
    return [Badge(text, level) for text, level in reversed(levels.items())]


def _badges_of_model(model: Model) -> list[Badge]:
    """The findings about a model's runs, each kind once, the worst first."""
    levels: dict[str, list[str]] = {}
    for run in model.runs:
        for badge in reversed(_badges_of_run(run)):
            levels.setdefault(badge.text, []).append(badge.level)
    badges = []
    for text, of_runs in levels.items():
        share = f" ({len(of_runs)} of {len(model.runs)})" if len(model.runs) > 1 else ""
        badges.append(Badge(f"{text}{share}", min(of_runs, key=LEVELS.index)))
    return sorted(badges, key=lambda badge: LEVELS.index(badge.level))


def leaderboard(table: MetricTable) -> Grid:
    """Models by the deciding metric."""
    metric = table.metric
    heads = [Cell("model"), Cell(f"{metric.title} {metric.arrow}".strip(), metric.of), Cell("95% interval")]
    heads += [Cell("deviation", "over seeds"), Cell("best", "seed"), Cell("worst", "seed"), Cell("seeds")]
    heads.append(Cell("against the best", "p by Welch, Holm"))
    sound = [row for row in table.ranked if not is_disqualified(row.model, metric.key)]
    grid = Grid(f"Leaderboard by {metric.name}", heads, [])
    for row in table.rows:
        place = f"{sound.index(row) + 1}. " if row in sound else ""
        name = Cell(f"{place}{row.model.name}", anchor=row.model.slug)
        grid.add([name, *_standing(row, table, sound)], _badges_of_model(row.model))
    for other in table.others:
        record = other.run.results.get(metric.key)
        value = "no such number" if record is None else rounded(number(record), record.get("spread"))
        grid.notes.append(f"Not ranked: {other.run.place} ({value}): {other.reason}.")
    if any(row.summary.n == 1 for row in table.ranked):
        text = "A single seed has no interval, and allows no test of a difference."
        grid.notes.append(text)
    if metric.target is not None:
        grid.notes.append(f"Ranked, compared and tested by {metric.measure}.")
    count = sum(difference.p is not None for difference in table.differences.values())
    if count:
        grid.notes.append(
            "Mean over seeds. Interval of the mean by Student's t. Two-sided Welch t-tests, p-values corrected by "
            f"Holm's method for the {count} pair{'s' * (count != 1)} of models that could be tested."
        )
    elif any(row.summary.n > 1 for row in table.ranked):
        grid.notes.append("Mean over seeds. Interval of the mean by Student's t.")
    return grid


def _standing(row: ModelRow, table: MetricTable, sound: list[ModelRow]) -> list[Cell]:
    if row.summary is None:
        return [NOTHING] * 7
    s, metric = row.summary, table.metric
    seeds = sorted(row.values.items(), key=lambda item: metric.loss(item[1]))
    ends = [Cell(rounded(v, row.error), str(seed)) for seed, v in (seeds[0], seeds[-1])] if s.n > 1 else [NOTHING] * 2
    best = sound[0] if sound else None
    if row is best:
        against = Cell("the best")
    elif best is None:
        against = NOTHING
    else:
        difference = table.against(row.model, best.model)
        gap = f"{'+' if difference.value > 0 else ''}{rounded(difference.value, row.error)}"
        if difference.corrected is None:
            against = Cell(gap, "one seed: no test" if min(s.n, best.summary.n) < 2 else "no spread: no test", "muted")
        else:
            word = "significant" if difference.significant else "no proven difference"
            against = Cell(gap, f"{probability(difference.corrected)}, {word}")
    deviation = Cell(significant(s.deviation, 3)) if s.deviation is not None else NOTHING
    around = Cell(interval(s.low, s.high, row.error)) if s.low is not None else NOTHING
    value = Cell(rounded(s.mean, row.error), of_step(row, metric), look="best" if row is best else "")
    return [value, around, deviation, *ends, Cell(str(s.n)), against]


def pairs(table: MetricTable) -> Grid:
    """All differences between two models, with intervals and both p-values."""
    heads = [Cell("pair"), Cell("difference"), Cell("95% interval"), Cell("p", "Welch"), Cell("p", "corrected by Holm")]
    grid = Grid(f"Differences by {table.metric.measure}, first minus second", heads, [])
    names = {row.model.number: row.model.name for row in table.ranked}
    for (a, b), d in table.differences.items():
        half = None if d.low is None else (d.high - d.low) / 4
        look = "best" if d.significant else ""
        cells = [Cell(rounded(d.value, half)), Cell(interval(d.low, d.high, half) or "–")]
        cells += [Cell(probability(d.p)), Cell(probability(d.corrected), look=look)]
        grid.add([Cell(f"{names[a]} – {names[b]}"), *cells])
    return grid


def effectiveness(section: Section, tables: Sequence[MetricTable]) -> Grid:
    """Every model's mean of every metric."""
    heads = [Cell("model")] + [Cell(f"{t.metric.title} {t.metric.arrow}".strip(), t.metric.of) for t in tables]
    grid = Grid("All numbers of the evaluations, means over seeds", heads, [])
    order = {row.model.number: i for i, row in enumerate(tables[0].rows)} if tables else {}
    for model in sorted(section.models, key=lambda model: order.get(model.number, 0)):
        cells = [Cell(model.name, anchor=model.slug)]
        for table in tables:
            row = next(row for row in table.rows if row.model is model)
            sound = [r for r in table.ranked if not is_disqualified(r.model, table.metric.key)]
            best = table.metric.direction != "none" and row in sound and row.standing == sound[0].standing
            step, look = of_step(row, table.metric), "best" if best else ""
            cells.append(mean_cell(row.summary, row.error, bool(row.others), step, look))
        grid.add(cells)
    grid.notes.append(
        "± is the standard deviation over seeds. Bold marks the best model without collapse or copies. "
        "† marks means without runs that were evaluated with other settings."
    )
    grid.notes += _searches(tables)
    return grid


def _searches(tables: Sequence[MetricTable]) -> list[str]:
    """The settings of a section's inversions: one sentence for each budget."""
    names: dict[str, list[str]] = {}
    for table in tables:
        runs = [run for row in table.ranked for run in row.model.runs if run.seed in row.values]
        record = runs[0].results[table.metric.key] if runs else {}
        if isinstance(record.get("inversion"), dict):
            budget = {"space": "z", "images": record.get("n_real"), **record["inversion"]}
            texts = [f"{key} {budget[key]}" for key in ("space", "steps", "restarts", "images") if key in budget]
            names.setdefault(", ".join(texts), []).append(table.metric.name)
    return [f"{', '.join(of)}: inversions by --mode=project ({budget})." for budget, of in names.items()]


def mean_cell(summary: Summary | None, error: float | None, partial: bool, step: str = "", look: str = "") -> Cell:
    """A mean over seeds or draws. partial: whether runs with other settings are left out."""
    if summary is None:
        return Cell("†", "other settings", "muted") if partial else NOTHING
    deviation = "" if summary.deviation is None else f"± {significant(summary.deviation, 2)}"
    small = ", ".join(filter(None, [deviation, step]))
    return Cell(rounded(summary.mean, error) + (" †" if partial else ""), small, look)


def reliability(section: Section, table: MetricTable | None) -> Grid:
    """Every run: its end, its number of resumes, its alarms and findings."""
    metric = table.metric if table else None
    heads = [Cell("run"), Cell("seed"), Cell("steps"), Cell("resumed"), Cell("alarms"), Cell("still on")]
    if metric:
        heads.append(Cell(f"{metric.title} {metric.arrow}".strip(), metric.of))
    grid = Grid("Every run", heads, [])
    for model in section.models:
        for run in model.runs:
            steps = run.config.get("steps")
            step = "–" if run.step is None else f"{run.step:,}"
            whole = "" if run.finished or not isinstance(steps, int) else f"of {steps:,}"
            again = f"{run.restarts} began anew" if run.restarts else ""
            on = sum(event.get("ended") is None for event in run.alarms)
            cells = [Cell(run.place, anchor=run.anchor), Cell("–" if run.seed is None else str(run.seed))]
            cells += [Cell(step, whole, "warning" if whole else ""), Cell(str(run.resumes), again)]
            cells += [Cell(str(len(run.alarms))), Cell(str(on), look="bad" if on else "")]
            if metric:
                record = run.results.get(metric.key, {})
                error = record.get("standard_error", record.get("spread"))
                earlier = run.earlier(metric.key)
                mark = "" if earlier is None else f"of step {earlier:,}"
                cells.append(Cell(rounded(number(record), error if isinstance(error, float) else None), mark))
            grid.add(cells, _badges_of_run(run))
    commits = Counter(str(run.facts.get("commit") or "an unknown one")[:12] for run in section.runs)
    if len(commits) > 1:
        listed = ", ".join(f"{commit} ({count})" for commit, count in commits.most_common())
        grid.notes.append(f"Different commits made the runs: {listed}.")
    grid.notes.append("Resumed: how often a run continued from a checkpoint after an interruption, by its log.")
    return grid
