"""What is wrong with a run, in words: collapse, divergence, copies, failures, numbers that do not compare."""

import math
from typing import NamedTuple

from jaxgen.report.comparison import Table, number
from jaxgen.report.metric import describe
from jaxgen.report.numbers import percent, rounded
from jaxgen.report.run import Run

# The worst first.
LEVELS = ("bad", "warning", "note")
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


class Finding(NamedTuple):
    """kind: a word or two for a badge. text: a sentence. level: one of LEVELS."""

    kind: str
    level: str
    text: str


def findings(run: Run, tables: list[Table]) -> list[Finding]:
    """What there is to say of a run, the worst first.

    Args:
      tables: of its section, which know whether its numbers were made like the others.
    """
    found = [
        *_end(run),
        *_length(run),
        *_alarms(run),
        *_variety(run),
        *_copies(run),
        *_records(run),
        *_comparable(run, tables),
    ]
    found += [Finding("damaged", "bad", f"{problem[0].upper()}{problem[1:]}.") for problem in run.problems]
    if str(run.facts.get("commit") or "").endswith("-dirty"):
        found.append(Finding("uncommitted code", "note", "Its code differed from the commit that it names."))
    return sorted(dict.fromkeys(found), key=lambda finding: LEVELS.index(finding.level))


def _end(run: Run) -> list[Finding]:
    """How its training ended, where not as planned."""
    last = "" if run.step is None else f" at step {run.step:,}"
    seconds = (run.config.get("budget") or {}).get("seconds")
    of = f" of {run.config['steps']:,}" if isinstance(run.config.get("steps"), int) else ""
    of = f", of as many as {seconds:g} s hold" if seconds else of
    # A finished run's log may tell of an earlier error that it went on from.
    if run.error and not (run.finished and run.evaluated):
        if " became nan" in run.error or " became inf" in run.error or " became -inf" in run.error:
            return [Finding("diverged", "bad", f"Diverged: {run.error}.")]
        return [Finding("failed", "bad", f"Failed{last}{of}: {run.error}.")]
    entry = run.entry or {}
    if entry.get("status") == "failed" and not run.finished:
        message = str(entry.get("message") or "the study does not say why")
        kind = "diverged" if " became nan" in message or " became inf" in message else "failed"
        return [Finding(kind, "bad", f"{kind.capitalize()}{last}{of}: {message}.")]
    bad = _not_finite(run)
    if bad:
        return [Finding("diverged", "bad", f"Diverged: {bad}.")]
    if run.config and not run.finished:
        reached = f"it stands{last}{of}" if last else "it has not logged a step yet"
        return [Finding("unfinished", "warning", f"Unfinished: {reached}, and its log tells of no error.")]
    if run.config and not run.evaluated:
        return [
            Finding("not evaluated", "warning", "Trained to the end, but there is no evaluation.json with numbers.")
        ]
    return []


def _length(run: Run) -> list[Finding]:
    """Where it was trained for longer than its config says, or its numbers are not of its end."""
    found = []
    if run.outgrown is not None:
        text = f"Trained to step {run.step:,}, though its config.json says {run.outgrown:,}: it was continued"
        found.append(Finding("continued", "note", f"{text}, and counts as a run of {run.step:,} steps."))
    keys: dict[int, list[str]] = {}
    for key in run.results:
        if (step := run.earlier(key)) is not None:
            keys.setdefault(step, []).append(key)
    for step, of in keys.items():
        text = f"Trained to step {run.step:,}, and these numbers are of step {step:,}: {', '.join(of)}."
        level = "note" if run.config.get("best_metric") else "warning"
        found.append(Finding("earlier checkpoint", level, text))
    return found


def _not_finite(run: Run) -> str:
    for line in run.lines[-1:]:
        for name, value in line.items():
            if isinstance(value, float) and not math.isfinite(value):
                return f"{name} was {value} at step {line['step']:,}, the last that was logged"
    return ""


def _alarms(run: Run) -> list[Finding]:
    found = []
    for event in run.alarms:
        kind = _IN_WORDS.get(event["alarm"], event["alarm"])
        message = str(event["message"]).rstrip(".")
        if event.get("ended") is not None:
            ended = f"The alarm {event['alarm']} was on from step {event['step']:,} to step {event['ended']:,}"
            found.append(Finding(f"alarm: {kind}", "note", f"{ended}: {message}."))
        else:
            level = "bad" if event["alarm"] in ("collapse", "divergence") else "warning"
            found.append(Finding(kind, level, f"The alarm was still on at the end: {message}."))
    return found


def _variety(run: Run) -> list[Finding]:
    """Collapse as the evaluation sees it."""
    # Each set of samples by its own numbers: keys end in the network and the sampler of latents that they are of.
    sets: dict[str, dict[str, float | None]] = {}
    for key, record in run.results.items():
        base = describe(key, record).base
        sets.setdefault(key.removeprefix(base), {})[base] = number(record)
    found = []
    for key, record in run.results.items():
        base, value = describe(key, record).base, number(record)
        if value is None:
            continue
        values = sets[key.removeprefix(base)]
        # Recall falls to nothing for samples a little off, however varied; coverage does not (Naeem et al. 2020).
        telling = "recall" if values.get("coverage") is None else "coverage"
        drawn, collapse = drawn_by(record), of_sampler("collapsed", sampler_of(record))
        if base == "modes" and isinstance(record.get("modes"), int) and value < record["modes"]:
            found.append(_modes(value, record))
        if base == "duplicates" and record.get("found"):
            text = f"{percent(value)} of its samples{drawn} nearly repeat another one"
            usual = record.get("expected_share")
            text += f" ({percent(usual)} is to be expected)" if isinstance(usual, int | float) else ""
            support = record.get("support")
            known = isinstance(support, int | float)
            if known:
                several = round(support) > 1
                text += f", as if drawn from {round(support):,} different ones" if several else ", as if all were one"
            collapsed = value >= _REPEATED and not (known and support >= _DIFFERENT)
            found.append(
                Finding(collapse, "bad", f"Collapsed: {text}.")
                if collapsed
                else Finding("repeats itself", "warning", f"{text[0].upper()}{text[1:]}.")
            )
        if base == telling and value < _LOW_VARIETY and (values.get("precision") or 0) >= _FIDELITY:
            seen = f"{key} is {rounded(value)} though precision is {rounded(values['precision'])}"
            text = f"Collapsed: {seen}: good samples{drawn} of a small part of the data."
            found.append(Finding(collapse, "bad", text))
        if base == "pairwise_ms_ssim" and record.get("collapse_suspected"):
            real = record.get("real_value")
            beside = f", real images {rounded(real)}" if isinstance(real, int | float) else ""
            text = f"Its samples{drawn} are more alike than real images (MS-SSIM among them {rounded(value)}{beside})"
            found.append(Finding("collapse suspected", "warning", f"{text}: collapse or blur."))
        if base == "class_histogram" and record.get("missing_classes"):
            found.append(Finding("classes missing", "warning", _classes(record, drawn)))
    return found


def sampler_of(record: dict) -> str:
    """The fitted density of latents that a number's samples come from, "" for the prior."""
    view = str(record.get("view") or "")
    return view.removeprefix("sample_") if view.startswith("sample_") else ""


def drawn_by(record: dict) -> str:
    """Whose samples they are, in words after "samples"; "" for the prior's."""
    sampler = sampler_of(record)
    return f" from the latent sampler {sampler!r}" if sampler else ""


def of_sampler(kind: str, sampler: str) -> str:
    """A kind of finding about the samples of a fitted density, which says nothing against the prior's."""
    return f"{kind} ({sampler})" if sampler else kind


def sampler_in(kind: str) -> tuple[str, str]:
    """What `of_sampler` made a kind of."""
    plain, _, sampler = kind.removesuffix(")").partition(" (")
    return plain, sampler


def _modes(value: float, record: dict) -> Finding:
    modes, covered = record["modes"], int(value)
    if covered == 0:
        text = "None of its samples lies near any mode of the data: it has not learnt them, or has left them again."
        return Finding("covers nothing", "bad", text)
    text = f"it covers {covered} of the {modes} modes of the data."
    if covered <= modes / 2:
        return Finding("collapsed", "bad", f"Collapsed: {text}")
    return Finding("modes missing", "warning", f"{text[0].upper()}{text[1:]}")


def _classes(record: dict, drawn: str) -> str:
    shares, real = record.get("shares") or {}, record.get("shares_real") or {}
    below = record.get("missing_below") or 0.1
    names = [name for name, share in real.items() if shares.get(name, 0) < below * share]
    return f"Hardly any sample{drawn} is of {record['missing_classes']} of the classes ({', '.join(names)})."


def _copies(run: Run) -> list[Finding]:
    found = []
    for key, record in run.results.items():
        base = describe(key, record).base
        value, copies = number(record), record.get("exact_copies")
        if not isinstance(copies, int) and not (record.get("found") and base != "duplicates"):
            continue
        samples, drawn = record.get("n_fake") or 0, drawn_by(record)
        copying = of_sampler("copies", sampler_of(record))
        if record.get("found") and base != "duplicates" and value is not None:
            usual = record.get("share_held_out")
            beside = f", of unseen real ones {percent(usual)}" if isinstance(usual, int | float) else ""
            kind = "nearer to a training row than to an unseen one" if base == "closest_record" else ""
            kind = kind or "unusually near to a training example"
            text = f"{percent(value)} of its samples{drawn} are {kind}{beside} ({key})"
            text += f"; {copies:,} are exact copies" if isinstance(copies, int) and copies else ""
            found.append(Finding(copying, "bad", f"Copies training data: {text}."))
        elif isinstance(copies, int) and copies:
            much = bool(samples) and copies / samples >= _COPIED
            text = f"{copies:,} of {samples:,} samples{drawn} are exact copies of training examples"
            level, start = ("bad", "Copies training data: ") if much else ("note", "")
            found.append(Finding(copying if much else "exact copies", level, f"{start}{text}."))
    return found


def _records(run: Run) -> list[Finding]:
    """Numbers that are no numbers, or come of few samples."""
    found = []
    for key, record in run.results.items():
        if number(record) is None:
            note = f" ({record['note']})" if record.get("note") else ""
            found.append(Finding("no number", "warning", f"{key} is not a finite number{note}."))
        if record.get("few_samples"):
            least, samples, real = record.get("min_samples"), record.get("n_fake"), record.get("n_real")
            what = f"{samples:,} samples" if real is None or samples < least else f"{real:,} real images"
            text = f"{key} comes of {what}, fewer than the {least:,} that it needs"
            found.append(Finding("few samples", "warning", f"{text}: do not compare it with published numbers."))
    return found


def _comparable(run: Run, tables: list[Table]) -> list[Finding]:
    """Which of its numbers were made under other settings than those of the rest."""
    reasons: dict[str, list[str]] = {}
    for table in tables:
        for other in table.others:
            if other.run is run:
                reasons.setdefault(other.reason, []).append(table.metric.key)
    deciding = tables[0].metric.key if tables else None
    return [
        Finding(
            "other settings",
            # Bits per dimension of binarised pixels beside those of gray levels change nothing about the leaderboard.
            "warning" if deciding in keys else "note",
            f"Evaluated with other settings than the rest, so not ranked with them: {reason} ({', '.join(keys)}).",
        )
        for reason, keys in reasons.items()
    ]
