"""Samplers that learn nothing, measured beside the runs (baselines.json): what a model's number is worth."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxgen.report.comparison import Other, Table, number, of_record, unlike, usual
from jaxgen.report.findings import Finding
from jaxgen.report.grids import NOTHING, Badge, Cell, Grid
from jaxgen.report.groups import Section
from jaxgen.report.metric import Metric
from jaxgen.report.numbers import interval, probability, rounded, significant
from jaxgen.report.run import Run
from jaxgen.report.statistics import correct, summarise, welch
from jaxgen.report.words import Sentence, disqualified

# The one that a model has to beat, and the metrics that see whether it does: the others miss how columns depend.
_TO_BEAT, _DECIDING = "class_copula", ("c2st_forest", "tstr")


# What baselines have of their own: as many rows as the training split has, a seed for each draw, no checkpoint.
_OF_MODELS = ("n_fake", "evaluation.seed", "checkpoint")


class Baseline(NamedTuple):
    """A sampler, what it is called, and its numbers by metric: one for each draw.

    others: by metric, runs that measured it under other settings than the rest.
    """

    name: str
    title: str
    values: dict[str, list[float]]
    others: dict[str, list[Other]]


def of(section: Section, tables: Sequence[Table]) -> list[Baseline]:
    """The baselines of a section, where they were measured as its models were; most runs tell the same numbers."""
    titles: dict[str, str] = {}
    for run in section.runs:
        titles |= {name: title for name, title in _named(run).items() if name not in titles}
    out = [Baseline(name, title, {}, {}) for name, title in titles.items()]
    for table in tables:
        models = {key: value for key, value in usual(section, table.metric).items() if key not in _OF_MODELS}
        for baseline in out:
            values, others = _gathered(section, table.metric, baseline.name, models)
            baseline.values.update({table.metric.key: values} if values else {})
            baseline.others.update({table.metric.key: others} if others else {})
    return out


def _named(run: Run) -> dict[str, str]:
    """Titles by name; a file of an earlier evaluation, which names others than the run's last one did, is not read."""
    settings = run.config.get("evaluation")
    wanted = settings.get("baselines") if isinstance(settings, dict) else None
    found = {name: records for name, records in run.baselines.items() if isinstance(records, dict)}
    return {name: str(found[name].get("_title") or name) for name in found if name in (wanted or ())}


def _gathered(section: Section, metric: Metric, name: str, models: Mapping[str, Any]) -> tuple[list, list[Other]]:
    """The draws of a baseline, and the runs whose own were made under other settings.

    Args:
      models: the settings that models are compared under.
    """
    known = []
    for run in section.runs:
        record = run.baselines[name].get(metric.key) if name in _named(run) else None
        if isinstance(record, dict) and (draws := _draws(record)):
            known.append((run, of_record(record, metric), draws))
    counts = Counter(json.dumps(found, sort_keys=True) for _, found, _ in known if not unlike(found, models))
    reference = {**models, **(json.loads(counts.most_common(1)[0][0]) if counts else {})}
    reasons = [unlike(found, reference) for _, found, _ in known]
    fitting = [draws for (_, _, draws), reason in zip(known, reasons, strict=True) if not reason]
    others = [Other(run, reason) for (run, _, _), reason in zip(known, reasons, strict=True) if reason]
    return (fitting[0] if fitting else []), others


def _draws(record: Mapping[str, Any]) -> list[float]:
    draws = record.get("seeds")
    values = [number({"value": value}) for value in draws.values()] if isinstance(draws, dict) else []
    return [value for value in values or [number(record)] if value is not None]


def add_to_leaderboard(grid: Grid, table: Table, baselines: Sequence[Baseline]) -> None:
    """A row for each baseline, below the models and not ranked among them."""
    for baseline in baselines:
        others = baseline.others.get(table.metric.key, [])
        grid.notes += [f"Not compared: {baseline.title} of {other.run.place}: {other.reason}." for other in others]
        if table.metric.key not in baseline.values:
            continue
        draws = baseline.values[table.metric.key]
        s = summarise(draws)
        cells = [Cell(rounded(s.mean, s.error)), Cell(interval(s.low, s.high, s.error) or "–")]
        cells += [NOTHING if s.deviation is None else Cell(significant(s.deviation, 3))]
        ends = sorted(draws, key=table.metric.loss)
        cells += [Cell(rounded(ends[0], s.error)), Cell(rounded(ends[-1], s.error))] if s.n > 1 else [NOTHING] * 2
        grid.rows.append([Cell(baseline.title), *cells, Cell(str(s.n), "draws"), NOTHING])
        grid.badges.append([Badge("baseline", "note")])


def add_to_effectiveness(grid: Grid, tables: Sequence[Table], baselines: Sequence[Baseline]) -> None:
    """The same for the table of all metrics."""
    for baseline in baselines:
        cells = []
        for table in tables:
            draws = baseline.values.get(table.metric.key)
            mark = " †" if table.metric.key in baseline.others else ""
            if not draws:
                cells.append(Cell("†", "other settings", "muted") if mark else NOTHING)
                continue
            s = summarise(draws)
            small = "" if s.deviation is None else f"± {significant(s.deviation, 2)}"
            cells.append(Cell(rounded(s.mean, s.error) + mark, small))
        grid.rows.append([Cell(baseline.title), *cells])
        grid.badges.append([Badge("baseline", "note")])


def sentence(
    tables: Sequence[Table], baselines: Sequence[Baseline], found: Mapping[str, Sequence[Finding]]
) -> Sentence | None:
    """Which models beat the baseline that is to be beaten, and by which metric; None without such a baseline."""
    rival = next((baseline for baseline in baselines if baseline.name == _TO_BEAT), None)
    judged = [t for t in tables if t.metric.base in _DECIDING and rival and t.metric.key in rival.values and t.ranked]
    if not judged:
        return None
    rows = {(t.metric.key, row.model.number): (t, row) for t in judged for row in t.ranked}
    tests = correct(
        {
            key: welch(*map(t.metric.tested, (list(row.values.values()), rival.values[key[0]])))
            for key, (t, row) in rows.items()
        }
    )
    parts, wins = [], 0
    for table in judged:
        told = []
        for row in table.ranked:
            test = tests[table.metric.key, row.model.number]
            draws = table.metric.standing(rival.values[table.metric.key])
            out = disqualified(row.model, found, table.metric.key)
            if out or row.standing >= draws:
                continue
            wins += test.significant
            word = probability(test.corrected) if test.corrected is not None else "no test: one seed"
            word += "" if test.significant or test.corrected is None else ", may be chance"
            told.append(f"{row.model.name} ({rounded(row.summary.mean, row.error)}, {word})")
        beside = rounded(summarise(rival.values[table.metric.key]).mean, row.error)
        parts.append(f"by {table.metric.name} ({rival.title}: {beside}) {', '.join(told) if told else 'none'}")
    lead = f"Which beat the {rival.title}?"
    method = (
        f"Welch's t-test over seeds and draws, corrected by Holm for {sum(t.p is not None for t in tests.values())}"
    )
    text = f"{'; '.join(parts)}. {method} tests; models that collapsed, diverged or copy do not count."
    return Sentence(lead, text[0].upper() + text[1:], "" if wins else "warning")
