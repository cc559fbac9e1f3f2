"""Samplers that learn nothing, measured beside the runs (baselines.json), as a scale for a model's numbers."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxgen.evaluation.aggregate import summarise
from jaxgen.report.comparison import Incomparable, MetricTable, correct, number, of_record, unlike, usual, welch
from jaxgen.report.findings import is_disqualified
from jaxgen.report.formatting import interval, probability, rounded, significant
from jaxgen.report.grids import NOTHING, Badge, Cell, Grid, mean_cell
from jaxgen.report.metric import Metric
from jaxgen.report.run_record import RunRecord
from jaxgen.report.sections import Section
from jaxgen.report.summary import Sentence

# The baseline that a model has to beat, and the metrics that see whether it does: the others miss how columns depend.
_TO_BEAT, _DECIDING = "class_copula", ("c2st_forest", "tstr")
# What baselines have of their own: as many rows as the training split has, a seed for each draw, no checkpoint.
_OF_MODELS = ("n_fake", "evaluation.seed", "checkpoint")


class Baseline(NamedTuple):
    """A sampler, its title, and its numbers by metric, one for each draw.

    others: by metric, runs with other settings of this metric than the rest.
    """

    name: str
    title: str
    values: dict[str, list[float]]
    others: dict[str, list[Incomparable]]


def of(section: Section, tables: Sequence[MetricTable]) -> list[Baseline]:
    """The baselines of a section with the settings of its models. Most runs have the same numbers."""
    titles: dict[str, str] = {}
    for run in section.runs:
        titles |= {name: title for name, title in _named(run).items() if name not in titles}
    baselines = [Baseline(name, title, {}, {}) for name, title in titles.items()]
    for table in tables:
        models = {key: value for key, value in usual(section, table.metric).items() if key not in _OF_MODELS}
        for baseline in baselines:
            values, others = _gathered(section, table.metric, baseline.name, models)
            baseline.values.update({table.metric.key: values} if values else {})
            baseline.others.update({table.metric.key: others} if others else {})
    return baselines


def _named(run: RunRecord) -> dict[str, str]:
    """Titles by name; a file of an earlier evaluation, which names others than the run's last one did, is not read."""
    settings = run.config.get("evaluation")
    wanted = settings.get("baselines") if isinstance(settings, dict) else None
    records = {name: of_name for name, of_name in run.baselines.items() if isinstance(of_name, dict)}
    return {name: str(records[name].get("_title") or name) for name in records if name in (wanted or ())}


def _gathered(section: Section, metric: Metric, name: str, models: dict[str, Any]) -> tuple[list, list[Incomparable]]:
    """The draws of a baseline, and the runs whose own were made under others than the settings of the models."""
    known = []
    for run in section.runs:
        record = run.baselines[name].get(metric.key) if name in _named(run) else None
        if isinstance(record, dict) and (draws := _draws(record)):
            known.append((run, of_record(record, metric), draws))
    counts = Counter(json.dumps(settings, sort_keys=True) for _, settings, _ in known if not unlike(settings, models))
    reference = {**models, **(json.loads(counts.most_common(1)[0][0]) if counts else {})}
    judged = [(run, draws, unlike(settings, reference)) for run, settings, draws in known]
    others = [Incomparable(run, reason) for run, _, reason in judged if reason]
    return next((draws for _, draws, reason in judged if not reason), []), others


def _draws(record: Mapping[str, Any]) -> list[float]:
    draws = record.get("seeds")
    values = [number({"value": value}) for value in draws.values()] if isinstance(draws, dict) else []
    return [value for value in values or [number(record)] if value is not None]


def add_to_leaderboard(grid: Grid, table: MetricTable, baselines: Sequence[Baseline]) -> None:
    """A row for each baseline, below the models and without a rank."""
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
        grid.add([Cell(baseline.title), *cells, Cell(str(s.n), "draws"), NOTHING], [Badge("baseline", "note")])


def add_to_effectiveness(grid: Grid, tables: Sequence[MetricTable], baselines: Sequence[Baseline]) -> None:
    """The baselines' rows for the table of all metrics."""
    for baseline in baselines:
        cells = []
        for table in tables:
            draws = baseline.values.get(table.metric.key)
            s = summarise(draws) if draws else None
            cells.append(mean_cell(s, s.error if s else None, table.metric.key in baseline.others))
        grid.add([Cell(baseline.title), *cells], [Badge("baseline", "note")])


def sentence(tables: Sequence[MetricTable], baselines: Sequence[Baseline]) -> Sentence | None:
    """Models that beat the main baseline, with the metrics. None without such a baseline."""
    rival = next((baseline for baseline in baselines if baseline.name == _TO_BEAT), None)
    judged = [t for t in tables if t.metric.base in _DECIDING and rival and t.metric.key in rival.values and t.ranked]
    if not judged:
        return None
    tests = {}
    for metric, row in ((table.metric, row) for table in judged for row in table.ranked):
        values, draws = list(row.values.values()), rival.values[metric.key]
        tests[metric.key, row.model.number] = welch(metric.tested(values), metric.tested(draws))
    tests, parts, wins = correct(tests), [], 0
    for table in judged:
        metric, draws, winners = table.metric, rival.values[table.metric.key], []
        for row in table.ranked:
            if is_disqualified(row.model, metric.key) or row.standing >= metric.standing(draws):
                continue
            test = tests[metric.key, row.model.number]
            wins += test.significant
            word = probability(test.corrected) if test.corrected is not None else "no test: one seed"
            word += "" if test.significant or test.corrected is None else ", may be chance"
            winners.append(f"{row.model.name} ({rounded(row.summary.mean, row.error)}, {word})")
        beside = rounded(summarise(draws).mean, row.error)
        parts.append(f"by {metric.name} ({rival.title}: {beside}) {', '.join(winners) if winners else 'none'}")
    count = sum(test.p is not None for test in tests.values())
    method = f"Welch's t-test over seeds and draws, corrected by Holm for {count}"
    text = f"{', '.join(parts)}. {method} tests. Models that collapsed, diverged or copy do not count."
    return Sentence(f"Which beat the {rival.title}?", text[0].upper() + text[1:], "" if wins else "warning")
