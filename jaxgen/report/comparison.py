"""Models side by side on one metric: which numbers may be compared, their order, the tests of their differences."""

import json
from collections import Counter
from itertools import combinations
from typing import Any, NamedTuple

from jaxgen.report.groups import Model, Section
from jaxgen.report.metric import Metric, deciding, describe
from jaxgen.report.numbers import finite
from jaxgen.report.run import Run
from jaxgen.report.statistics import Difference, Summary, correct, summarise, welch

# What a number was made with, beside the metric's own settings.
_SETTINGS = (
    "extractor",
    "weights_sha256",
    "resize",
    "side",
    "scale",
    "feature_size",
    "split",
    "view",
    "n_real",
    "n_fake",
)


class Other(NamedTuple):
    """A run whose number was made under other settings than the rest, which says how they differ."""

    run: Run
    reason: str


class Row(NamedTuple):
    """A model's numbers: `values` by seed are comparable, `others` are not; summary and standing are None without any.

    standing: what the model is ranked by, the lower the better.
    """

    model: Model
    values: dict[int, float]
    summary: Summary | None
    error: float | None
    others: list[Other]
    standing: float | None


class Table(NamedTuple):
    """A metric's rows, best first, those without a comparable number last; differences by pairs of model numbers."""

    metric: Metric
    rows: list[Row]
    differences: dict[tuple[int, int], Difference]

    @property
    def ranked(self) -> list[Row]:
        """Rows with a number."""
        return [row for row in self.rows if row.summary is not None]

    @property
    def others(self) -> list[Other]:
        """Runs under other settings."""
        return [other for row in self.rows for other in row.others]

    def against(self, a: Model, b: Model) -> Difference | None:
        """The difference of a less b."""
        if (a.number, b.number) in self.differences:
            return self.differences[a.number, b.number]
        found = self.differences.get((b.number, a.number))
        if found is None:
            return None
        turned = (None, None) if found.low is None else (-found.high, -found.low)
        return Difference(-found.value, *turned, found.p, found.corrected)


def tables(section: Section) -> list[Table]:
    """One table for each metric that any run of the section has, the deciding one first."""
    metrics: dict[str, Metric] = {}
    models: Counter = Counter()
    for model in section.models:
        for key, record in ((k, r) for run in model.runs for k, r in run.results.items()):
            metrics.setdefault(key, describe(key, record))
        models.update({key for run in model.runs for key in run.results})
    first = deciding(metrics, models)
    order = sorted(metrics, key=lambda key: (key != first, metrics[key].direction == "none"))
    return [_table(section, metrics[key]) for key in order]


def _table(section: Section, metric: Metric) -> Table:
    reference = usual(section, metric)
    rows = [_row(model, metric, reference) for model in section.models]
    rows.sort(key=lambda row: (row.summary is None, row.standing or 0.0))
    ranked = [row for row in rows if row.summary is not None]
    differences = {
        (a.model.number, b.model.number): welch(*(metric.tested(list(row.values.values())) for row in (a, b)))
        for a, b in combinations(ranked, 2)
    }
    return Table(metric, rows, correct(differences))


def _row(model: Model, metric: Metric, reference: dict[str, Any]) -> Row:
    values, others, errors = {}, [], []
    for position, run in enumerate(model.runs):
        record = run.results.get(metric.key)
        if record is None:
            if reason := _otherwise(run, metric, reference):
                others.append(Other(run, reason))
            continue
        if reason := unlike(settings(run, record, metric), reference):
            others.append(Other(run, reason))
            continue
        value = number(record)
        if value is not None:
            values[run.seed if run.seed is not None else -1 - position] = value
            errors.append(record.get("standard_error", record.get("spread")))
    summary = summarise(list(values.values())) if values else None
    error = summary.error if summary else None
    if error is None and len(errors) == 1 and isinstance(errors[0], int | float):
        error = float(errors[0])  # of the measurement, for the digits: with one seed there is no other
    return Row(model, values, summary, error, others, metric.standing(list(values.values())) if values else None)


def of_step(row: Row, metric: Metric) -> str:
    """ "of step 10" where a row's numbers are of earlier checkpoints than the last, else ""."""
    runs = [run for run in row.model.runs if run.seed in row.values]
    steps = sorted({step for run in runs if (step := run.earlier(metric.key)) is not None})
    return f"of step{'s' * (len(steps) > 1)} {', '.join(f'{step:,}' for step in steps)}" if steps else ""


def number(record: dict) -> float | None:
    """The value, if it is a finite number."""
    return finite(record.get("value"))


def settings(run: Run, record: dict, metric: Metric) -> dict[str, Any]:
    """What a number was made with; what an older file does not tell is left out."""
    found = of_record(record, metric)
    if isinstance(record.get("inversion"), dict):  # the budget of the search; z is the only space of older files
        budget = {"space": "z", **record["inversion"]}
        found |= {f"inversion.{key}": value for key, value in budget.items()}
    if metric.key in run.made and run.made[metric.key].seed is not None:
        found["evaluation.seed"] = run.made[metric.key].seed
    if not run.config.get("best_metric"):  # the best one's step differs by nature
        found["checkpoint"] = "the last" if run.earlier(metric.key) is None else "an earlier one"
    return found


def of_record(record: dict, metric: Metric) -> dict[str, Any]:
    """Those settings that a record itself tells."""
    return {key: record[key] for key in (*_SETTINGS, *metric.settings) if key in record}


def unlike(found: dict[str, Any], reference: dict[str, Any]) -> str:
    """How settings differ from the reference, "" if they do not."""
    differing = [key for key in reference if key in found and found[key] != reference[key]]
    if "n_fake" in differing and "subset_size" in differing:
        differing.remove("subset_size")
    return ", ".join(f"{key} {_short(found[key])} instead of {_short(reference[key])}" for key in differing)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def usual(section: Section, metric: Metric) -> dict[str, Any]:
    """The settings that most runs have; of equally many those of last checkpoints, then those with more samples."""
    known = [settings(run, run.results[metric.key], metric) for run in section.runs if metric.key in run.results]
    counts = Counter(json.dumps(one, sort_keys=True) for one in known)

    def standing(text):
        one = json.loads(text)
        samples = one.get("n_fake")
        return counts[text], one.get("checkpoint") == "the last", samples if isinstance(samples, int) else 0

    return json.loads(max(counts, key=standing, default="{}"))


def _otherwise(run: Run, metric: Metric, reference: dict[str, Any]) -> str:
    """That a run was measured by the same metric through another network; "" where it was not."""
    for key, record in run.results.items():
        if describe(key, record).base == metric.base and record.get("extractor") != reference.get("extractor"):
            return f"extractor {record.get('extractor')} instead of {reference.get('extractor')} (it has {key})"
    return ""
