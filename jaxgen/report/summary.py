"""The summary of a section in words: the better model, the role of chance, costs and problems."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxgen.report.comparison import MetricTable, ModelRow
from jaxgen.report.costs import ModelCost
from jaxgen.report.findings import DISQUALIFYING, disqualifying, is_disqualified
from jaxgen.report.formatting import duration, interval, large, percent, probability, rounded, significant
from jaxgen.report.metric import Metric
from jaxgen.report.run_record import LEVELS
from jaxgen.report.sections import Model, Section

# A spread over seeds beyond this share of the mean is worth a word.
_WIDE = 0.1
_UNEVEN = 0.1  # A budget of seconds gives more steps on a faster machine, or on an idle core.


class Sentence(NamedTuple):
    """A bold lead, and the text after it."""

    lead: str
    text: str
    level: str = ""


def summary(section: Section, table: MetricTable | None, costs: Mapping[int, ModelCost]) -> list[Sentence]:
    """The section's sentences.

    Args:
      table: the table of the deciding metric. None without measurements.
      costs: costs by the model's number.
    """
    if table is None or not table.ranked:
        text = "There is no answer: no metric has numbers that models could share."
        return [Sentence("Which is better?", text), *_went_wrong(section)]
    sound = [row for row in table.ranked if not is_disqualified(row.model, table.metric.key)]
    sentences = [_better(table, sound)]
    if len(sound) > 1:
        sentences.append(_significance(table, sound))
    if sound:
        sentences += [_cost(sound, costs), _belief(sound[0], table)]
    return sentences + _went_wrong(section)


def _number(row: ModelRow, error: float | None = None) -> str:
    """The mean with its interval; to the digits that `error` leaves, in place of the row's own."""
    error = row.error if error is None else error
    value = rounded(row.summary.mean, error)
    if row.summary.low is None:
        return f"{value} (one seed)"
    around = interval(row.summary.low, row.summary.high, error)
    return f"{value} {around} over {row.summary.n} seeds"


def _better(table: MetricTable, sound: list[ModelRow]) -> Sentence:
    metric, lead = table.metric, "Which is better?"
    if not sound:
        text = "No model is good: every model with a number collapsed, diverged or copies."
        return Sentence(lead, text, "bad")
    best = sound[0]
    ahead = table.ranked[: table.ranked.index(best)]
    second = next((row for row in sound if row.standing != best.standing), None)
    # To the same digits, or the better of two close numbers may look like the worse one.
    errors = [row.error for row in (best, second) if row is not None and row.error]
    error = min(errors, default=None)
    text = f"{best.model.name} is best by {metric.name}: {_number(best, error)}."
    equal = [row.model.name for row in sound if row.standing == best.standing]
    if len(equal) > 1:
        text = f"{_listed(equal)} are best alike by {metric.name}: {_number(best, error)}."
    elif len(sound) == 1:
        lead = "How good is it?" if len(table.ranked) == 1 else lead
        text = f"{best.model.name} has {metric.name} {_number(best)}, and there is no other sound model for comparison."
    if second is not None:
        text += f" Next comes {second.model.name} with {_number(second, error)}{_by_how_much(best, second, metric)}."
    if ahead:
        names = ", ".join(f"{row.model.name} ({_why(row.model, metric.key)})" for row in ahead)
        text += f" Models with a better number, but not credible: {names}."
    return Sentence(lead, text)


def _why(model: Model, key: str) -> str:
    reasons = {finding for run in model.runs for finding in disqualifying(run, key)}
    badges = {(DISQUALIFYING.index(finding.kind), finding.badge) for finding in reasons}
    return " and ".join("copies training data" if badge == "copies" else badge for _, badge in sorted(badges))


def _by_how_much(best: ModelRow, second: ModelRow, metric: Metric) -> str:
    if metric.target is not None:
        return f", {significant(second.standing - best.standing, 3)} further from {metric.target:g}"
    a, b = best.summary.mean, second.summary.mean
    if a and a * b > 0:
        return f", {percent(abs(b - a) / abs(a))} {'more' if b > a else 'less'}"
    return f", a difference of {significant(abs(b - a), 3)}"


def _significance(table: MetricTable, sound: list[ModelRow]) -> Sentence:
    lead, (best, second) = "Is that chance?", sound[:2]
    tested = sum(difference.p is not None for difference in table.differences.values())
    alone = [row.model.name for row in (best, second) if row.summary.n < 2]
    if alone:
        who = " and ".join(alone)
        text = f"There is no answer: {who} {'has' if len(alone) == 1 else 'have'} a single seed, and another seed may "
        return Sentence(lead, text + "change the order. Train at least three.", "warning")
    difference = table.against(best.model, second.model)
    method = f"Welch's t-test over seeds, corrected by Holm for {tested} pair{'s' * (tested != 1)}"
    if difference.p is None:
        same = best.standing == second.standing
        text = "the two are equal." if same else "neither spreads over its seeds, so no test is possible."
        return Sentence(lead, f"{best.model.name} and {second.model.name}: {text}")
    answer, outcome = ("No", "is") if difference.significant else ("It may be", "is not")
    text = f"{answer}: the difference to {second.model.name} {outcome} significant "
    text += f"({method}: {probability(difference.corrected)})."
    rest = [row.model for row in sound[2:] if row.summary.n > 1]
    equal = [model.name for model in rest if not table.against(best.model, model).significant]
    if equal and difference.significant:
        text += f" Further behind, but with too much spread for the test: {', '.join(equal)}."
    elif equal:
        text += f" Not significantly different from {best.model.name} either: {', '.join(equal)}."
    return Sentence(lead, text, "" if difference.significant else "warning")


def _cost(sound: list[ModelRow], costs: Mapping[int, ModelCost]) -> Sentence:
    best, lead = sound[0], "What did it cost?"
    cost = costs[best.model.number]
    if cost.train_seconds is None:
        return Sentence(lead, f"There is no answer: {best.model.name} has left no times.")
    text = f"{best.model.name} took {duration(cost.train_seconds)} to train a seed, compilation included"
    if cost.shared > 1:
        text += f" (its share of a program that trained {cost.shared} seeds)"
    if cost.parameters:
        text += f", with {large(cost.parameters)} parameters"
    text += "."
    others = [row.model for row in sound[1:] if costs[row.model.number].train_seconds]
    if others:
        cheapest = min(others, key=lambda model: costs[model.number].train_seconds)
        other = costs[cheapest.number]
        ratio = other.train_seconds / cost.train_seconds
        text += f" {cheapest.name} took {duration(other.train_seconds)}, {_times(ratio)}."
        if other.hardware != cost.hardware:
            text += " They ran on different hardware, so their times do not compare."
    return Sentence(lead, text)


def _times(ratio: float) -> str:
    if 0.95 < ratio < 1.05:
        return "about as long"
    return f"{significant(ratio, 2)} times as long" if ratio > 1 else f"{significant(1 / ratio, 2)} times shorter"


def _belief(best: ModelRow, table: MetricTable) -> Sentence:
    doubts, model = [], best.model
    seeds, mean, deviation = best.summary[:3]
    spread = deviation / abs(mean) if mean and seeds > 1 else 0.0
    if seeds == 1:
        doubts.append("It has a single seed")
    elif seeds == 2:
        doubts.append("It has two seeds, and two tell little about their spread")
    if spread > _WIDE:
        doubts.append(f"Its seeds spread by {percent(spread)}")
    if seeds < len(model.runs):
        doubts.append(f"Only {seeds} of its {len(model.runs)} runs count here")
    steps = [run.step for run in model.runs if run.step]
    if steps and max(steps) > (1 + _UNEVEN) * min(steps):
        doubts.append(f"Its seeds made {min(steps):,} to {max(steps):,} steps")
    findings = [finding for run in model.runs for finding in run.findings]
    if badges := sorted({finding.badge for finding in findings if finding.level != "note"}):
        doubts.append(f"Its findings are: {', '.join(badges)}")
    if len({run.facts.get("commit") for run in model.runs}) > 1:
        doubts.append("Its seeds were trained by different commits")
    if any(finding.kind == "uncommitted code" for finding in findings):
        doubts.append("Its code differed from the commit in its record")
    if others := table.others:
        left = "run was" if len(others) == 1 else "runs were"
        doubts.append(f"{len(others)} {left} evaluated with other settings and left out of the comparison")
    lead, by = "Can it be believed?", percent(spread) if mean else "nothing"
    if not doubts:
        return Sentence(lead, f"Yes: {seeds} seeds that spread by {by}, and no problem was found.")
    return Sentence(lead, f"With care. {'. '.join(doubts)}.", "warning")


def _went_wrong(section: Section) -> list[Sentence]:
    """One sentence for each kind of trouble and the models that have it in the same words."""
    models: dict[tuple[str, str, str, str], list[str]] = {}
    for model in section.models:
        by_kind: dict[tuple[str, str], dict] = {}
        for run in model.runs:
            for finding in run.findings:
                if finding.level != "note":
                    texts = by_kind.setdefault((finding.level, finding.badge), {})
                    texts.setdefault(run.place, (run.seed, []))[1].append(finding.text)
        for (level, kind), cases in by_kind.items():
            which, text = _trouble(list(cases.values()), len(model.runs))
            models.setdefault((level, kind, which, text), []).append(model.name)
    sentences = []
    for (level, kind, which, text), names in models.items():
        who = "All models" if 1 < len(names) == len(section.models) else _listed(names)
        sentences.append(Sentence(f"{who}, {kind}{which}:", text, level))
    return sorted(sentences, key=lambda sentence: LEVELS.index(sentence.level))


def _trouble(cases: list[tuple], runs: int) -> tuple[str, str]:
    """Which of a model's runs have a kind of trouble, and in which words; cases: (seed, texts) of each such run."""
    which, seeds = "", [str(seed) for seed, _ in cases]
    if runs > 1:
        which = f" ({len(cases)} of {runs} runs: seed{'s' * (len(cases) > 1)} {', '.join(dict.fromkeys(seeds))})"
    first = cases[0][1]
    if any(set(texts) != set(first) for _, texts in cases):
        return which, f"{first[0]} This is seed {seeds[0]}. The texts of the others are below."
    more = len(set(first)) - 1
    return which, first[0] + (f" {more} more like it {'is' if more == 1 else 'are'} below." if more else "")


def _listed(names: Sequence[str]) -> str:
    """A, B and C."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
