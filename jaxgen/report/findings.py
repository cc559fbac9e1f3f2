"""Findings about a run in words: collapse, divergence, copies, failures, numbers that do not compare."""

import math
from typing import Any

from jaxgen.report.comparison import MetricTable, number
from jaxgen.report.formatting import percent, rounded
from jaxgen.report.metric import describe
from jaxgen.report.run_record import LEVELS, Failure, Finding, RunRecord
from jaxgen.report.sections import Model

# Findings that take a model out of the question, whatever its numbers.
DISQUALIFYING = ("collapsed", "covers nothing", "copies", "diverged")
# A generator whose samples look right but leave out nearly all of the data.
_LOW_VARIETY, _FIDELITY = 0.05, 0.3
# Share of samples that repeat another one from which on that is a collapse, if they are as alike as those of fewer
# different images than this would be: the share alone grows with the number of samples (Arora et al. 2018).
_REPEATED, _DIFFERENT = 0.1, 1_000
# Share of samples that are copies from which on that is no accident.
_COPIED = 0.005
_IN_WORDS = {
    "collapse": "collapsed",
    "divergence": "diverged",
    "posterior_collapse": "posterior collapse",
    "codebook_collapse": "codebook collapse",
    "vanishing_gradient": "vanishing gradient",
}


def findings(run: RunRecord, tables: list[MetricTable]) -> list[Finding]:
    """The findings about a run, the worst first.

    Args:
      tables: the tables of its section, which know whether its numbers have the others' settings.
    """
    every = [*_end(run), *_length(run), *_alarms(run), *_variety(run), *_copies(run), *_doubtful_numbers(run)]
    every += _other_settings(run, tables)
    every += [Finding("damaged", "bad", f"{problem[0].upper()}{problem[1:]}.") for problem in run.problems]
    if str(run.facts.get("commit") or "").endswith("-dirty"):
        every.append(Finding("uncommitted code", "note", "The run's code differed from the commit in its record."))
    return sorted(dict.fromkeys(every), key=lambda finding: LEVELS.index(finding.level))


def disqualifying(run: RunRecord, key: str) -> list[Finding]:
    """The findings that disqualify a run.

    Args:
      key: the metric. A finding about a fitted latent sampler's samples counts for that sampler's numbers alone.
    """
    bad = [finding for finding in run.findings if finding.kind in DISQUALIFYING and finding.level == "bad"]
    return [finding for finding in bad if not finding.sampler or key.endswith(f"_{finding.sampler}")]


def is_disqualified(model: Model, key: str) -> bool:
    """Whether at least half of the model's runs have collapsed, diverged or copy, in ways that count for a metric."""
    return 2 * sum(bool(disqualifying(run, key)) for run in model.runs) >= len(model.runs)


def _end(run: RunRecord) -> list[Finding]:
    """How its training ended, where not as planned."""
    last = "" if run.step is None else f" at step {run.step:,}"
    seconds = (run.config.get("budget") or {}).get("seconds")
    of = f" of {run.config['steps']:,}" if isinstance(run.config.get("steps"), int) else ""
    of = f", of as many as fit into {seconds:g} s" if seconds else of
    # A finished run's log may tell of an earlier error that it went on from.
    if run.failure and not (run.finished and run.evaluated):
        if run.failure.diverged:
            return [Finding("diverged", "bad", f"Diverged: {run.failure.message}.")]
        return [Finding("failed", "bad", f"Failed{last}{of}: {run.failure.message}.")]
    entry = run.entry or {}
    if entry.get("status") == "failed" and not run.finished:
        failure = Failure.in_line(str(entry.get("message") or "the study gives no reason"))
        kind = "diverged" if failure.diverged else "failed"
        return [Finding(kind, "bad", f"{kind.capitalize()}{last}{of}: {failure.message}.")]
    for name, value in run.lines[-1].items() if run.lines else ():
        if isinstance(value, float) and not math.isfinite(value):
            text = f"Diverged: {name} was {value} at step {run.lines[-1]['step']:,}, the last logged step."
            return [Finding("diverged", "bad", text)]
    if run.config and not run.finished:
        reached = f"it stands{last}{of}" if last else "it has not logged a step yet"
        return [Finding("unfinished", "warning", f"Unfinished: {reached}, and its log shows no error.")]
    if run.config and not run.evaluated:
        text = "Trained to the end, but there is no evaluation.json with numbers."
        return [Finding("not evaluated", "warning", text)]
    return []


def _length(run: RunRecord) -> list[Finding]:
    """Where it was trained for longer than its config says, or its numbers are not of its end."""
    lengths = []
    if run.outgrown is not None:
        text = f"Trained to step {run.step:,}, although its config.json says {run.outgrown:,}. It was continued"
        lengths.append(Finding("continued", "note", f"{text}, and counts as a run of {run.step:,} steps."))
    keys: dict[int, list[str]] = {}
    for key in run.results:
        if (step := run.earlier(key)) is not None:
            keys.setdefault(step, []).append(key)
    for step, of in keys.items():
        text = f"Trained to step {run.step:,}, but these numbers are of step {step:,}: {', '.join(of)}."
        level = "note" if run.config.get("best_metric") else "warning"
        lengths.append(Finding("earlier checkpoint", level, text))
    return lengths


def _alarms(run: RunRecord) -> list[Finding]:
    alarms = []
    for event in run.alarms:
        kind = _IN_WORDS.get(event["alarm"], event["alarm"])
        message = str(event["message"]).rstrip(".")
        if event.get("ended") is not None:
            ended = f"The alarm {event['alarm']} was on from step {event['step']:,} to step {event['ended']:,}"
            alarms.append(Finding(f"alarm: {kind}", "note", f"{ended}: {message}."))
        else:
            level = "bad" if event["alarm"] in ("collapse", "divergence") else "warning"
            alarms.append(Finding(kind, level, f"The alarm was still on at the end: {message}."))
    return alarms


def _variety(run: RunRecord) -> list[Finding]:
    """Collapse as the evaluation sees it."""
    # Each set of samples by its own numbers: keys end in the network and the sampler of latents that they are of.
    sets: dict[str, dict[str, float | None]] = {}
    for key, record in run.results.items():
        base = describe(key, record).base
        sets.setdefault(key.removeprefix(base), {})[base] = number(record)
    variety = []
    for key, record in run.results.items():
        base, value = describe(key, record).base, number(record)
        sampler, drawn = _sampler_of(record)
        if value is None:
            continue
        values = sets[key.removeprefix(base)]
        # Recall falls to nothing for samples a little off, however varied; coverage does not (Naeem et al. 2020).
        telling = "recall" if values.get("coverage") is None else "coverage"
        if base == "modes" and isinstance(record.get("modes"), int) and value < record["modes"]:
            variety.append(_modes(value, record))
        if base == "duplicates" and record.get("found"):
            variety.append(_duplicates(value, record))
        if base == telling and value < _LOW_VARIETY and (values.get("precision") or 0) >= _FIDELITY:
            seen = f"{key} is {rounded(value)} although precision is {rounded(values['precision'])}"
            text = f"Collapsed: {seen}. Its samples{drawn} lie among real images, but cover a small part of them."
            variety.append(Finding("collapsed", "bad", text, sampler))
        if base == "pairwise_ms_ssim" and record.get("collapse_suspected"):
            real = record.get("real_value")
            beside = f", real images {rounded(real)}" if isinstance(real, int | float) else ""
            text = f"Its samples{drawn} are more alike than real images (MS-SSIM among them {rounded(value)}{beside})"
            variety.append(Finding("collapse suspected", "warning", f"{text}: collapse or blur."))
        if base == "class_histogram" and record.get("missing_classes"):
            shares, below = record.get("shares") or {}, record.get("missing_below") or 0.1
            real = record.get("shares_real") or {}
            names = ", ".join(name for name, share in real.items() if shares.get(name, 0) < below * share)
            text = f"Hardly any sample{drawn} is of {record['missing_classes']} of the classes ({names})."
            variety.append(Finding("classes missing", "warning", text))
    return variety


def _sampler_of(record: dict[str, Any]) -> tuple[str, str]:
    """The fitted density of latents behind the samples, alone and in words after "samples". "" for the prior."""
    view = str(record.get("view") or "")
    sampler = view.removeprefix("sample_") if view.startswith("sample_") else ""
    return sampler, f" from the latent sampler {sampler!r}" if sampler else ""


def _duplicates(value: float, record: dict[str, Any]) -> Finding:
    sampler, drawn = _sampler_of(record)
    text = f"{percent(value)} of its samples{drawn} nearly repeat another sample"
    expected, support = record.get("expected_share"), record.get("support")
    text += f" (expected: {percent(expected)})" if isinstance(expected, int | float) else ""
    known = isinstance(support, int | float)
    if known:
        several = round(support) > 1
        text += f", as if drawn from {round(support):,} different samples" if several else ", as if all were the same"
    if value >= _REPEATED and not (known and support >= _DIFFERENT):
        return Finding("collapsed", "bad", f"Collapsed: {text}.", sampler)
    return Finding("repeats itself", "warning", f"{text[0].upper()}{text[1:]}.")


def _modes(value: float, record: dict[str, Any]) -> Finding:
    modes, covered = record["modes"], int(value)
    if covered == 0:
        text = "None of its samples lies near any mode of the data: it has not learnt them, or has left them again."
        return Finding("covers nothing", "bad", text)
    text = f"it covers {covered} of the {modes} modes of the data."
    if covered <= modes / 2:
        return Finding("collapsed", "bad", f"Collapsed: {text}")
    return Finding("modes missing", "warning", f"{text[0].upper()}{text[1:]}")


def _copies(run: RunRecord) -> list[Finding]:
    copied = []
    for key, record in run.results.items():
        base = describe(key, record).base
        value, copies = number(record), record.get("exact_copies")
        unusual = record.get("found") and base != "duplicates"
        if not isinstance(copies, int) and not unusual:
            continue
        samples, (sampler, drawn) = record.get("n_fake") or 0, _sampler_of(record)
        if unusual and value is not None:
            real = record.get("expected_share", record.get("share_held_out"))
            beside = f", compared with {percent(real)} of unseen real ones" if isinstance(real, int | float) else ""
            near = "unusually near to a training example"
            near = "nearer to a training row than to an unseen row" if base == "closest_record" else near
            text = f"{percent(value)} of its samples{drawn} are {near}{beside} ({key})"
            text += f", {copies:,} are exact copies" if isinstance(copies, int) and copies else ""
            copied.append(Finding("copies", "bad", f"Copies training data: {text}.", sampler))
        elif isinstance(copies, int) and copies:
            text = f"{copies:,} of {samples:,} samples{drawn} are exact copies of training examples"
            if samples and copies / samples >= _COPIED:
                copied.append(Finding("copies", "bad", f"Copies training data: {text}.", sampler))
            else:
                copied.append(Finding("exact copies", "note", f"{text}."))
    return copied


def _doubtful_numbers(run: RunRecord) -> list[Finding]:
    """Numbers that are no numbers, or come of few samples."""
    doubtful = []
    for key, record in run.results.items():
        if number(record) is None:
            note = f" ({record['note']})" if record.get("note") else ""
            doubtful.append(Finding("no number", "warning", f"{key} is not a finite number{note}."))
        if record.get("few_samples"):
            least, samples, real = record.get("min_samples"), record.get("n_fake"), record.get("n_real")
            what = f"{samples:,} samples" if real is None or samples < least else f"{real:,} real images"
            text = f"{key} comes from {what}, but needs {least:,}"
            doubtful.append(Finding("few samples", "warning", f"{text}. Do not compare it with published numbers."))
    return doubtful


def _other_settings(run: RunRecord, tables: list[MetricTable]) -> list[Finding]:
    """Which of its numbers were made under other settings than those of the rest."""
    reasons: dict[str, list[str]] = {}
    for table in tables:
        for other in table.others:
            if other.run is run:
                reasons.setdefault(other.reason, []).append(table.metric.key)
    deciding = tables[0].metric.key if tables else None
    text = "Evaluated with other settings than the rest, and so not ranked with them"
    # Bits per dimension of binarised pixels beside those of gray levels change nothing about the leaderboard.
    return [
        Finding("other settings", "warning" if deciding in keys else "note", f"{text}: {reason} ({', '.join(keys)}).")
        for reason, keys in reasons.items()
    ]
