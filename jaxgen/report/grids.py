"""The tables of a section, as data that the page and its Markdown twin both show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxgen.report.comparison import Row, Table, number, of_step
from jaxgen.report.findings import LEVELS, Finding
from jaxgen.report.groups import Model, Section
from jaxgen.report.numbers import interval, probability, rounded, significant
from jaxgen.report.words import disqualified


class Cell(NamedTuple):
    """text, smaller text below it; look: "best", "bad", "warning", "muted" or ""; anchor: what it links to."""

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

    badges: of each row, beside its name.
    """

    caption: str
    heads: list[Cell]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)
    badges: list[list[Badge]] = field(default_factory=list)


def badges(model: Model, found: Mapping[str, Sequence[Finding]], least: str = "warning") -> list[Badge]:
    """What was found of a model's runs, each once, the worst first."""
    allowed = LEVELS[: LEVELS.index(least) + 1]
    kinds: dict[str, list[str]] = {}
    for run in model.runs:
        for finding in {f.kind: f for f in reversed(found[run.place]) if f.level in allowed}.values():
            kinds.setdefault(finding.kind, []).append(finding.level)
    out = []
    for kind, levels in kinds.items():
        share = f" ({len(levels)} of {len(model.runs)})" if len(model.runs) > 1 else ""
        out.append(Badge(f"{kind}{share}", min(levels, key=LEVELS.index)))
    return sorted(out, key=lambda badge: LEVELS.index(badge.level))


def leaderboard(table: Table, found: Mapping[str, Sequence[Finding]]) -> Grid:
    """Models by the deciding metric."""
    metric = table.metric
    heads = [Cell("model"), Cell(f"{metric.title} {metric.arrow}".strip(), metric.of), Cell("95% interval")]
    heads += [Cell("deviation", "over seeds"), Cell("best", "seed"), Cell("worst", "seed"), Cell("seeds")]
    heads.append(Cell("against the best", "p by Welch, Holm"))
    sound = [row for row in table.ranked if not disqualified(row.model, found, metric.key)]
    grid = Grid(f"Leaderboard by {metric.name}", heads, [])
    for row in table.rows:
        place = f"{sound.index(row) + 1}. " if row in sound else ""
        name = Cell(f"{place}{row.model.name}", anchor=row.model.slug)
        grid.rows.append([name, *_standing(row, table, sound)])
        grid.badges.append(badges(row.model, found))
    grid.notes += [
        f"Not ranked: {other.run.place} ({_other(other, metric.key)}): {other.reason}." for other in table.others
    ]
    if any(row.summary.n == 1 for row in table.ranked):
        grid.notes.append(
            "With a single seed there is no interval, and nothing can be said of a difference's significance."
        )
    if metric.target is not None:
        grid.notes.append(f"Ranked, compared and tested by {metric.measure}.")
    count = sum(difference.p is not None for difference in table.differences.values())
    if count:
        grid.notes.append(
            "Mean over seeds; interval of the mean by Student's t; two-sided Welch t-tests, p-values corrected by "
            f"Holm's method for the {count} pair{'s' * (count != 1)} of models that could be tested."
        )
    elif any(row.summary.n > 1 for row in table.ranked):
        grid.notes.append("Mean over seeds; interval of the mean by Student's t.")
    return grid


def _standing(row: Row, table: Table, sound: list[Row]) -> list[Cell]:
    if row.summary is None:
        return [NOTHING] * 7
    s, metric = row.summary, table.metric
    seeds = sorted(row.values.items(), key=lambda item: metric.loss(item[1]))
    first, last = seeds[0], seeds[-1]
    ends = [Cell(rounded(value, row.error), str(seed)) for seed, value in (first, last)] if s.n > 1 else [NOTHING] * 2
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
            word = "significant" if difference.significant else "not told apart"
            against = Cell(gap, f"{probability(difference.corrected)}, {word}")
    deviation = Cell(significant(s.deviation, 3)) if s.deviation is not None else NOTHING
    around = Cell(interval(s.low, s.high, row.error)) if s.low is not None else NOTHING
    value = Cell(rounded(s.mean, row.error), of_step(row, metric), look="best" if row is best else "")
    return [value, around, deviation, *ends, Cell(str(s.n)), against]


def _other(other, key: str) -> str:
    record = other.run.results.get(key)
    return "no such number" if record is None else rounded(number(record), record.get("spread"))


def pairs(table: Table) -> Grid:
    """All differences between two models, with intervals and both p-values."""
    heads = [Cell("pair"), Cell("difference"), Cell("95% interval"), Cell("p", "Welch"), Cell("p", "corrected by Holm")]
    grid = Grid(f"Differences by {table.metric.measure}, the first less the second", heads, [])
    names = {row.model.number: row.model.name for row in table.ranked}
    for (a, b), d in table.differences.items():
        half = None if d.low is None else (d.high - d.low) / 4
        look = "best" if d.significant else ""
        cells = [Cell(rounded(d.value, half)), Cell(interval(d.low, d.high, half) or "–")]
        cells += [Cell(probability(d.p)), Cell(probability(d.corrected), look=look)]
        grid.rows.append([Cell(f"{names[a]} – {names[b]}"), *cells])
    return grid


def effectiveness(section: Section, tables: Sequence[Table], found: Mapping[str, Sequence[Finding]]) -> Grid:
    """Every model's mean of every metric."""
    heads = [Cell("model")] + [Cell(f"{t.metric.title} {t.metric.arrow}".strip(), t.metric.of) for t in tables]
    grid = Grid("All numbers of the evaluations, means over seeds", heads, [])
    order = {row.model.number: i for i, row in enumerate(tables[0].rows)} if tables else {}
    for model in sorted(section.models, key=lambda model: order.get(model.number, 0)):
        cells = [Cell(model.name, anchor=model.slug)]
        for table in tables:
            row = next(row for row in table.rows if row.model is model)
            cells.append(_mean(row, table, found))
        grid.rows.append(cells)
        grid.badges.append([])
    grid.notes.append(
        "± is the standard deviation over seeds. Bold: the best of the models that neither collapsed nor copy. "
        "†: some runs were evaluated with other settings and are left out."
    )
    grid.notes += _searches(tables)
    return grid


def _searches(tables: Sequence[Table]) -> list[str]:
    """What the inversions of a section were given: one sentence for each budget."""
    names: dict[str, list[str]] = {}
    for table in tables:
        runs = [run for row in table.ranked for run in row.model.runs if run.seed in row.values]
        record = runs[0].results[table.metric.key] if runs else {}
        if isinstance(record.get("inversion"), dict):
            told = {"space": "z", "images": record.get("n_real"), **record["inversion"]}
            shown = [f"{key} {told[key]}" for key in ("space", "steps", "restarts", "images") if key in told]
            names.setdefault(", ".join(shown), []).append(table.metric.name)
    return [f"{', '.join(of)}: inversions by --mode=project ({budget})." for budget, of in names.items()]


def _mean(row: Row, table: Table, found) -> Cell:
    mark = " †" if row.others else ""
    if row.summary is None:
        return Cell("†", "other settings", "muted") if mark else NOTHING
    sound = [r for r in table.ranked if not disqualified(r.model, found, table.metric.key)]
    best = bool(sound) and table.metric.direction != "none" and row.standing == sound[0].standing
    small = "" if row.summary.deviation is None else f"± {significant(row.summary.deviation, 2)}"
    small = ", ".join(filter(None, [small, of_step(row, table.metric)]))
    return Cell(rounded(row.summary.mean, row.error) + mark, small, "best" if best and row in sound else "")
