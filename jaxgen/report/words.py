"""The summary of a section in words: which model is better, whether that is chance, what it cost, what went wrong."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxgen.report.comparison import Row, Table
from jaxgen.report.costs import Cost
from jaxgen.report.findings import DISQUALIFYING, LEVELS, Finding, sampler_in
from jaxgen.report.groups import Model, Section
from jaxgen.report.metric import Metric
from jaxgen.report.numbers import duration, interval, large, percent, probability, rounded, significant

# A spread over seeds beyond this share of the mean is worth a word.
_WIDE = 0.1


class Sentence(NamedTuple):
    """A lead, to be set bold, and what follows it."""

    lead: str
    text: str
    level: str = ""


def affected(model: Model, found: Mapping[str, Sequence[Finding]], kinds: Sequence[str]) -> list[str]:
    """Places of the model's runs that have a finding of these kinds."""
    return [run.place for run in model.runs if any(f.kind in kinds and f.level == "bad" for f in found[run.place])]


def disqualified(model: Model, found: Mapping[str, Sequence[Finding]], key: str) -> bool:
    """Whether half of the model's runs or more have collapsed, diverged or copy.

    Args:
      key: of the metric that it matters for: of a fitted latent sampler's numbers that one's own findings count too.
    """
    return 2 * len(affected(model, found, _disqualifying(model, found, key))) >= len(model.runs)


def _disqualifying(model: Model, found: Mapping[str, Sequence[Finding]], key: str) -> list[str]:
    """Kinds of the model's findings that disqualify it by this metric, in the order of DISQUALIFYING."""
    kinds = {f.kind: sampler_in(f.kind) for run in model.runs for f in found[run.place]}
    mine = [kind for kind, (_, sampler) in kinds.items() if not sampler or key.endswith(f"_{sampler}")]
    return [kind for base in DISQUALIFYING for kind in sorted(mine) if kinds[kind][0] == base]


def summary(
    section: Section, table: Table | None, found: Mapping[str, Sequence[Finding]], costs: Mapping[int, Cost]
) -> list[Sentence]:
    """The section's sentences.

    Args:
      table: of the deciding metric; None where nothing was measured.
      found: findings by the run's place. costs: by the model's number.
    """
    out = []
    if table is None or not table.ranked:
        out.append(Sentence("Which is better?", "Nothing can be said: no run has a number that models could share."))
    else:
        sound = [row for row in table.ranked if not disqualified(row.model, found, table.metric.key)]
        out.append(_better(table, sound, found))
        if len(sound) > 1:
            out.append(_significance(table, sound))
        if sound:
            out.append(_cost(sound, costs))
            out.append(_belief(sound[0], table, found))
    return out + _went_wrong(section, found)


def _number(row: Row, error: float | None = None) -> str:
    """The mean with its interval; to the digits that `error` leaves, in place of the row's own."""
    error = row.error if error is None else error
    value = rounded(row.summary.mean, error)
    if row.summary.low is None:
        return f"{value} (one seed)"
    around = interval(row.summary.low, row.summary.high, error)
    return f"{value} {around} over {row.summary.n} seeds"


def _better(table: Table, sound: list[Row], found) -> Sentence:
    metric, lead = table.metric, "Which is better?"
    out = [row for row in table.ranked if row not in sound]
    if not sound:
        return Sentence(
            lead, "None can be called good: every model with a number collapsed, diverged or copies.", "bad"
        )
    best = sound[0]
    ahead = [row for row in out if table.ranked.index(row) < table.ranked.index(best)]
    second = next((row for row in sound if row.standing != best.standing), None)
    # To the same digits, or the better of two close numbers may look like the worse one.
    errors = [row.error for row in (best, second) if row is not None and row.error]
    error = min(errors, default=None)
    text = f"{best.model.name} is best by {metric.name}: {_number(best, error)}."
    equal = [row.model.name for row in sound if row.standing == best.standing]
    if len(equal) > 1:
        text = f"{_listed(equal)} are best alike by {metric.name}: {_number(best, error)}."
    elif len(sound) == 1:
        text = (
            f"{best.model.name} has {metric.name} {_number(best)}, and there is no other sound model to compare with."
        )
    if second is not None:
        text += f" Next comes {second.model.name} with {_number(second, error)}{_by_how_much(best, second, metric)}."
    if ahead:
        names = ", ".join(f"{row.model.name} ({_why(row.model, found, metric.key)})" for row in ahead)
        text += f" With a better number, but not to be believed: {names}."
    return Sentence(lead, text)


def _why(model: Model, found, key: str) -> str:
    kinds = [kind for kind in _disqualifying(model, found, key) if affected(model, found, (kind,))]
    return " and ".join("copies training data" if kind == "copies" else kind for kind in kinds)


def _by_how_much(best: Row, second: Row, metric: Metric) -> str:
    if metric.target is not None:
        return f", {significant(second.standing - best.standing, 3)} further from {metric.target:g}"
    a, b = best.summary.mean, second.summary.mean
    if a and a * b > 0:
        return f", {percent(abs(b - a) / abs(a))} {'more' if b > a else 'less'}"
    return f", a difference of {significant(abs(b - a), 3)}"


def _significance(table: Table, sound: list[Row]) -> Sentence:
    lead, (best, second) = "Is that chance?", sound[:2]
    tested = sum(difference.p is not None for difference in table.differences.values())
    alone = [row.model.name for row in (best, second) if row.summary.n < 2]
    if alone:
        who = " and ".join(alone)
        text = f"Nothing can be said: {who} {'has' if len(alone) == 1 else 'have'} a single seed, and another seed may "
        return Sentence(lead, text + "turn the order round. Train at least three.", "warning")
    difference = table.against(best.model, second.model)
    method = f"Welch's t-test over seeds, corrected by Holm for {tested} pair{'s' * (tested != 1)}"
    if difference.p is None:
        same = best.standing == second.standing
        text = "the two are equal." if same else "neither spreads over its seeds, so that no test can be made."
        return Sentence(lead, f"{best.model.name} and {second.model.name}: {text}")
    p = probability(difference.corrected)
    if difference.significant:
        text = f"No: the difference to {second.model.name} is significant ({method}: {p})."
    else:
        text = f"It may be: the difference to {second.model.name} is not significant ({method}: {p})."
    equal = [
        row.model.name
        for row in sound[2:]
        if row.summary.n > 1 and not table.against(best.model, row.model).significant
    ]
    if equal and difference.significant:
        text += f" Further behind, but with seeds too far apart for the test to tell: {', '.join(equal)}."
    elif equal:
        text += f" Not told apart from {best.model.name} either: {', '.join(equal)}."
    return Sentence(lead, text, "" if difference.significant else "warning")


def _cost(sound: list[Row], costs: Mapping[int, Cost]) -> Sentence:
    best, lead = sound[0], "What did it cost?"
    mine = costs[best.model.number]
    if mine.train_seconds is None:
        return Sentence(lead, f"Nobody knows: {best.model.name} has left no times.")
    text = f"{best.model.name} took {duration(mine.train_seconds)} to train a seed, compilation included"
    if mine.shared > 1:
        text += f" (its part of a program that trained {mine.shared} seeds)"
    if mine.parameters:
        text += f", with {large(mine.parameters)} parameters"
    text += "."
    others = [(costs[row.model.number], row.model.name) for row in sound[1:]]
    others = [(cost.train_seconds, name, cost) for cost, name in others if cost.train_seconds]
    if others:
        seconds, name, cheapest = min(others, key=lambda other: other[0])
        ratio = seconds / mine.train_seconds
        text += f" {name} took {duration(seconds)}, {_times(ratio)}."
        if cheapest.hardware != mine.hardware:
            text += " They ran on different hardware, so their times do not compare."
    return Sentence(lead, text)


def _times(ratio: float) -> str:
    if 0.95 < ratio < 1.05:
        return "about as long"
    return f"{significant(ratio, 2)} times as long" if ratio > 1 else f"{significant(1 / ratio, 2)} times shorter"


def _belief(best: Row, table: Table, found) -> Sentence:
    doubts, model, seeds = [], best.model, best.summary.n
    if seeds == 1:
        doubts.append("it is a single seed")
    elif best.summary.mean and best.summary.deviation / abs(best.summary.mean) > _WIDE:
        doubts.append(f"its seeds spread by {percent(best.summary.deviation / abs(best.summary.mean))}")
    if seeds < len(model.runs):
        doubts.append(f"only {seeds} of its {len(model.runs)} runs count here")
    kinds = sorted({f.kind for run in model.runs for f in found[run.place] if f.level != "note"})
    if kinds:
        doubts.append(f"it was found: {', '.join(kinds)}")
    if len({run.facts.get("commit") for run in model.runs}) > 1:
        doubts.append("its seeds were trained by different commits")
    if any(f.kind == "uncommitted code" for run in model.runs for f in found[run.place]):
        doubts.append("its code differed from the commit it names")
    if others := table.others:
        left = "run was" if len(others) == 1 else "runs were"
        doubts.append(f"{len(others)} {left} evaluated with other settings and stayed out of the comparison")
    if not doubts:
        spread = percent(best.summary.deviation / abs(best.summary.mean)) if best.summary.mean else "nothing"
        return Sentence(
            "Can it be believed?", f"Yes: {seeds} seeds that spread by {spread}, and nothing else was found."
        )
    return Sentence("Can it be believed?", f"With care: {'; '.join(doubts)}.", "warning")


def _went_wrong(section: Section, found) -> list[Sentence]:
    """One sentence for each kind of trouble and the models that have it in the same words."""
    models: dict[tuple[str, str, str, str], list[str]] = {}
    for model in section.models:
        by_kind: dict[tuple[str, str], dict] = {}
        for run in model.runs:
            for finding in found[run.place]:
                if finding.level != "note":
                    texts = by_kind.setdefault((finding.level, finding.kind), {})
                    texts.setdefault(run.place, (run.seed, []))[1].append(finding.text)
        for (level, kind), cases in by_kind.items():
            which, text = _told(list(cases.values()), len(model.runs))
            models.setdefault((level, kind, which, text), []).append(model.name)
    out = []
    for (level, kind, which, text), names in models.items():
        who = "All models" if 1 < len(names) == len(section.models) else _listed(names)
        out.append(Sentence(f"{who}, {kind}{which}:", text, level))
    return sorted(out, key=lambda sentence: LEVELS.index(sentence.level))


def _told(cases: list[tuple], runs: int) -> tuple[str, str]:
    """Which of a model's runs have a kind of trouble, and in which words; cases: (seed, texts) of each such run."""
    which, seeds = "", [str(seed) for seed, _ in cases]
    if runs > 1:
        which = f" ({len(cases)} of {runs} runs: seed{'s' * (len(cases) > 1)} {', '.join(dict.fromkeys(seeds))})"
    first = cases[0][1]
    if any(set(texts) != set(first) for _, texts in cases):
        return which, f"{first[0]} So seed {seeds[0]}; the others' words are below."
    more = len(set(first)) - 1
    return which, first[0] + (f" {more} more like it {'is' if more == 1 else 'are'} below." if more else "")


def _listed(names: Sequence[str]) -> str:
    """A, B and C."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
