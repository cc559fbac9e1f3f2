"""Models side by side on one metric: comparable numbers, their order, and tests of their differences."""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from jaxgen.evaluation.aggregate import CONFIDENCE, Summary, equal, summarise
from jaxgen.report.formatting import finite
from jaxgen.report.metric import Metric, deciding, describe
from jaxgen.report.run_record import RunRecord
from jaxgen.report.sections import Model, Section

# What a number was made with, beside the metric's own settings.
_SETTINGS = ["extractor", "weights_sha256", "resize", "side", "scale", "feature_size", "split", "view"]
_SETTINGS += ["n_real", "n_fake"]
_LAST, _EARLIER = "the last", "an earlier one"  # the checkpoint that a number is of
_LEVEL = 0.05  # of significance


class Incomparable(NamedTuple):
    """A run whose number has other settings than the rest. reason: the differences."""

    run: RunRecord
    reason: str


class ModelRow(NamedTuple):
    """A model's comparable `values` by seed, and `others`. Summary and standing are None without values.

    standing: the number for the ranking. Lower is better.
    """

    model: Model
    values: dict[int, float]
    summary: Summary | None
    error: float | None
    others: list[Incomparable]
    standing: float | None


class Difference(NamedTuple):
    """Mean of a minus mean of b, its 95% interval and the two-sided p-value. `correct` adds the corrected p-value.

    p is None if no test is possible: fewer than two values on a side, or no spread on either.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below 0.05."""
        return self.corrected is not None and self.corrected < _LEVEL


class MetricTable(NamedTuple):
    """A metric's rows, best first. Rows without a comparable number are last. Differences have pairs of models."""

    metric: Metric
    rows: list[ModelRow]
    differences: dict[tuple[int, int], Difference]

    @property
    def ranked(self) -> list[ModelRow]:
        """Rows with a number."""
        return [row for row in self.rows if row.summary is not None]

    @property
    def others(self) -> list[Incomparable]:
        """Runs under other settings."""
        return [other for row in self.rows for other in row.others]

    def against(self, a: Model, b: Model) -> Difference | None:
        """The difference of a minus b."""
        turned = self.differences.get((b.number, a.number))
        if turned is None:
            return self.differences.get((a.number, b.number))
        low, high = (None, None) if turned.low is None else (-turned.high, -turned.low)
        return turned._replace(value=-turned.value, low=low, high=high)


def tables(section: Section, rank_by: str = "") -> list[MetricTable]:
    """One table for each metric of the section's runs. The deciding metric, `rank_by` if it can, comes first."""
    metrics: dict[str, Metric] = {}
    models: Counter = Counter()
    for model in section.models:
        for key, record in ((k, r) for run in model.runs for k, r in run.results.items()):
            metrics.setdefault(key, describe(key, record))
        models.update({key for run in model.runs for key in run.results})
    first = deciding(metrics, models, rank_by)
    order = sorted(metrics, key=lambda key: (key != first, metrics[key].direction == "none"))
    return [_table(section, metrics[key]) for key in order]


def _table(section: Section, metric: Metric) -> MetricTable:
    reference = usual(section, metric)
    rows = [_row(model, metric, reference) for model in section.models]
    rows.sort(key=lambda row: (row.summary is None, row.standing or 0.0))
    ranked = [row for row in rows if row.summary is not None]
    differences = {
        (a.model.number, b.model.number): welch(*(metric.tested(list(row.values.values())) for row in (a, b)))
        for a, b in combinations(ranked, 2)
    }
    return MetricTable(metric, rows, correct(differences))


def _row(model: Model, metric: Metric, reference: dict[str, Any]) -> ModelRow:
    values, others, errors = {}, [], []
    for position, run in enumerate(model.runs):
        record = run.results.get(metric.key)
        if record is None:
            if reason := _otherwise(run, metric, reference):
                others.append(Incomparable(run, reason))
            continue
        if reason := unlike(settings(run, record, metric), reference):
            others.append(Incomparable(run, reason))
            continue
        value = number(record)
        if value is not None:
            values[run.seed if run.seed is not None else -1 - position] = value
            errors.append(record.get("standard_error", record.get("spread")))
    summary = summarise(list(values.values())) if values else None
    error = summary.error if summary else None
    if error is None and len(errors) == 1 and isinstance(errors[0], int | float):
        error = float(errors[0])  # of the measurement, for the digits: with one seed there is no other
    return ModelRow(model, values, summary, error, others, metric.standing(list(values.values())) if values else None)


def of_step(row: ModelRow, metric: Metric) -> str:
    """ "of step 10" if a row's numbers belong to earlier checkpoints than the last, else ""."""
    runs = [run for run in row.model.runs if run.seed in row.values]
    steps = sorted({step for run in runs if (step := run.earlier(metric.key)) is not None})
    return f"of step{'s' * (len(steps) > 1)} {', '.join(f'{step:,}' for step in steps)}" if steps else ""


def number(record: dict) -> float | None:
    """The value, if it is a finite number."""
    return finite(record.get("value"))


def settings(run: RunRecord, record: dict, metric: Metric) -> dict[str, Any]:
    """The settings behind a number. Settings that older files lack are left out."""
    made_with = of_record(record, metric)
    if isinstance(record.get("inversion"), dict):  # the budget of the search; z is the only space of older files
        budget = {"space": "z", **record["inversion"]}
        made_with |= {f"inversion.{key}": value for key, value in budget.items()}
    if metric.key in run.origins and run.origins[metric.key].seed is not None:
        made_with["evaluation.seed"] = run.origins[metric.key].seed
    if not run.config.get("best_metric"):  # the best one's step differs by nature
        made_with["checkpoint"] = _LAST if run.earlier(metric.key) is None else _EARLIER
    return made_with


def of_record(record: dict, metric: Metric) -> dict[str, Any]:
    """The settings that a record itself contains."""
    return {key: record[key] for key in (*_SETTINGS, *metric.settings) if key in record}


def unlike(made_with: dict[str, Any], reference: dict[str, Any]) -> str:
    """The differences from the reference settings, "" if there are none."""
    differing = [key for key in reference if key in made_with and made_with[key] != reference[key]]
    if "n_fake" in differing and "subset_size" in differing:
        differing.remove("subset_size")
    return ", ".join(f"{key} {_short(made_with[key])} instead of {_short(reference[key])}" for key in differing)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def usual(section: Section, metric: Metric) -> dict[str, Any]:
    """The settings of most runs. Ties prefer last checkpoints, then more samples."""
    known = [settings(run, run.results[metric.key], metric) for run in section.runs if metric.key in run.results]
    counts = Counter(json.dumps(made_with, sort_keys=True) for made_with in known)

    def standing(text: str) -> tuple:
        made_with = json.loads(text)
        samples = made_with.get("n_fake")
        return counts[text], made_with.get("checkpoint") == _LAST, samples if isinstance(samples, int) else 0

    return json.loads(max(counts, key=standing, default="{}"))


def _otherwise(run: RunRecord, metric: Metric, reference: dict[str, Any]) -> str:
    """That a run was measured by the same metric through another network; "" where it was not."""
    for key, record in run.results.items():
        if describe(key, record).base == metric.base and record.get("extractor") != reference.get("extractor"):
            return f"extractor {record.get('extractor')} instead of {reference.get('extractor')} (it has {key})"
    return ""


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Welch's t-test, which allows different spreads.

    It is not paired: seeds of different models share nothing but the order of the data.
    """
    difference = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2 or (equal(a) and equal(b)):
        return Difference(difference, None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of values that are nearly equal: the p-value stays right
        result = stats.ttest_ind(a, b, equal_var=False)
        interval = result.confidence_interval(CONFIDENCE)
    return Difference(difference, float(interval.low), float(interval.high), float(result.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction: all corrected p-values below 0.05 hold together at that level."""
    p, order = np.asarray(p_values, np.float64), np.argsort(p_values, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * p[order]))
    return corrected.tolist()


def correct(differences: dict) -> dict:
    """The same differences with p-values corrected for all tests."""
    tested = [key for key, difference in differences.items() if difference.p is not None]
    corrected = dict(zip(tested, holm([differences[key].p for key in tested]), strict=True))
    return {key: d._replace(corrected=corrected.get(key)) for key, d in differences.items()}
