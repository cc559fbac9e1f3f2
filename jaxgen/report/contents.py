"""Everything that a report says, as data; the page and its Markdown twin are two ways to write it down."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxgen.report import baselines, command, features, grids, images, plots, run_grids
from jaxgen.report.comparison import Table, tables
from jaxgen.report.costs import cost, hardware
from jaxgen.report.find import Found, Study, listed, noted
from jaxgen.report.findings import Finding, findings
from jaxgen.report.grids import Grid
from jaxgen.report.groups import Model, Section, sections
from jaxgen.report.metric import Metric
from jaxgen.report.numbers import duration
from jaxgen.report.run import Run
from jaxgen.report.words import Sentence, summary


class Figure(NamedTuple):
    """An SVG element, its name among the files of the Markdown twin, and its caption."""

    svg: str
    name: str
    caption: str


class Card(NamedTuple):
    """A run: its findings, numbers, and all that is needed to make it again."""

    run: Run
    anchor: str
    model: Model
    findings: list[Finding]
    changes: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]
    numbers: list[tuple[str, str, str]]
    skipped: list[tuple[str, str]]
    command: str
    warning: str
    config: str


@dataclass
class Chapter:
    """What there is to say about one data set."""

    section: Section
    summary: list[Sentence]
    table: Table | None
    leaderboard: Grid | None
    pairs: Grid | None
    effectiveness: Grid
    efficiency: Grid
    reliability: Grid
    metrics: list[Metric]
    figures: dict[str, Figure] = field(default_factory=dict)
    training: list[Figure] = field(default_factory=list)
    kinds: list[images.Kind] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """title; chapters by data set; lost: sentences about runs that left nothing to compare."""

    title: str
    chapters: list[Chapter]
    lost: list[Sentence]
    counts: str


def contents(found: Found, title: str) -> Report:
    """The whole report of what was found."""
    readable = [run for run in found.runs if _is_readable(run)]
    parts, unknown = sections(Found(readable, found.studies))
    unknown += [run for run in found.runs if run not in readable]
    chapters = [_chapter(section) for section in parts]
    for chapter in chapters:
        _draw(chapter, chapter.section, chapter.table)
        chapter.kinds, broken = images.kinds(chapter.section)
        chapter.notes += [f"{text}." for text in broken]
    images.fit([kind for chapter in chapters for kind in chapter.kinds])
    lost = [sentence for study in found.studies for sentence in _of_study(study, found.runs)]
    lost += [
        Sentence(f"{run.place}:", f"Left out: {'; '.join(run.problems) or 'no config tells what it is'}.", "bad")
        for run in unknown
    ]
    models = sum(len(section.models) for section in parts)
    runs = sum(len(section.runs) for section in parts)
    counts = f"{runs} run{'s' * (runs != 1)} of {models} model{'s' * (models != 1)} on "
    counts += f"{len(parts)} data set{'s' * (len(parts) != 1)}"
    return Report(title, chapters, lost, counts)


def _is_readable(run: Run) -> bool:
    """Whether a run's files make a chapter alone: values of the wrong kind must not take the others with them."""
    try:
        for section in sections(Found([run], []))[0]:
            _chapter(section)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError) as error:
        run.problems.append(f"its files hold what cannot be ({error})")
        return False
    return True


def _of_study(study: Study, runs: Sequence[Run]) -> list[Sentence]:
    """Runs of a study that failed, or have not left anything."""
    if study.problem:
        return [Sentence(f"{study.folder.name}:", f"{study.problem.capitalize()}.", "bad")]
    out = []
    for entry in study.entries:
        if entry.get("defined") is False:
            text = "The study does not name it any more; its runs are shown all the same."
            out.append(Sentence(f"{entry['name']}, left over:", text))
            continue
        for one in noted(entry) or [entry]:
            places = {(study.folder / str(place)).resolve() for place in (one.get("workdir"), entry["name"]) if place}
            has = any(places & {run.folder.resolve(), *run.folder.resolve().parents} for run in runs)
            has |= one is entry and any((run.entry or {}).get("name") == entry["name"] for run in runs)
            seeds = listed(one, "seeds")
            name = f"{entry['name']}, seed {', '.join(map(str, seeds))}" if seeds else str(entry["name"])
            status = one.get("status")
            if status == "failed":
                tries = one.get("attempts")
                after = f" after {tries} attempt{'s' * (tries != 1)}" if isinstance(tries, int) else ""
                why = str(one.get("message") or "the study does not say why").rstrip(".")
                out.append(Sentence(f"{name}, failed{after}:", f"{why}.", "bad"))
            elif not has or status in ("waiting", "running"):
                state = "it is missing" if status == "done" else f"it is {status}" if status else "it has not begun"
                out.append(Sentence(f"{name}, not there yet:", f"The study planned it; {state}.", "warning"))
    return out


def _chapter(section: Section) -> Chapter:
    every = tables(section)
    deciding = next((t for t in every[:1] if t.metric.direction != "none"), None)
    found = {run.place: findings(run, every) for run in section.runs}
    costs = {model.number: cost(model) for model in section.models}
    chapter = Chapter(
        section,
        summary(section, deciding, found, costs),
        deciding,
        grids.leaderboard(deciding, found) if deciding else None,
        grids.pairs(deciding) if deciding and any(d.p is not None for d in deciding.differences.values()) else None,
        grids.effectiveness(section, every, found),
        run_grids.efficiency(section, costs, deciding),
        run_grids.reliability(section, deciding, found),
        [table.metric for table in every],
    )
    _add_baselines(chapter, section, every, found)
    chapter.cards = [_card(run, model, found) for model in section.models for run in model.runs]
    return chapter


def _add_baselines(chapter: Chapter, section: Section, every: Sequence[Table], found) -> None:
    beside = baselines.of(section, every)
    if chapter.leaderboard:
        baselines.add_to_leaderboard(chapter.leaderboard, chapter.table, beside)
    baselines.add_to_effectiveness(chapter.effectiveness, every, beside)
    verdict = baselines.sentence(every, beside, found)
    if verdict is not None:
        chapter.summary.insert(1, verdict)


def _draw(chapter: Chapter, section: Section, table: Table | None) -> None:
    def add(name: str, svg: str | None, caption: str) -> None:
        if svg is not None:
            chapter.figures[name] = Figure(svg, f"{section.slug}_{name}.svg", caption)

    if table and table.ranked:
        dots = "Each mark is a seed, the stroke the mean, the pale bar its 95% interval as far as the axis goes."
        add("leaderboard", plots.leaderboard(table, f"{section.slug}-a"), dots)
        side = "the lower left" if table.metric.direction == "lower" else "the upper left"
        side = side if table.metric.target is None else f"{table.metric.target:g} at the left"
        caption = f"Quality against the time to train: towards {side} is better and cheaper."
        add("quality", plots.quality_against_cost(table, f"{section.slug}-b"), caption)
        caption = (
            "Quality against wall-clock while training, measured on evaluation.num_samples_in_training samples; the "
            "last point is the final evaluation, whose number of samples may differ."
        )
        add("progress", plots.progress(section, table.metric, f"{section.slug}-c"), caption)
    plane = features.plane(section, f"{section.slug}-d")
    if plane is not None:
        absent = f" Not in it, for want of such features: {', '.join(plane.absent)}." if plane.absent else ""
        add("plane", plane.figure, plane.caption + absent)
    for model in section.models:
        svg = plots.training(model, f"{model.slug}-t")
        if svg is not None:
            chapter.training.append(Figure(svg, f"{model.slug}_training.svg", f"Losses of {model.name}"))


def _card(run: Run, model: Model, found: Mapping[str, list[Finding]]) -> Card:
    facts = run.facts
    packages = facts.get("packages") if isinstance(facts.get("packages"), dict) else {}
    parameters = facts.get("parameters") if isinstance(facts.get("parameters"), dict) else {}
    rows = [
        ("folder", str(run.folder)),
        ("seed", run.seed),
        ("step", run.step),
        ("parameters", ", ".join(f"{name} {count:,}" for name, count in parameters.items() if isinstance(count, int))),
        ("trained", duration(run.timing.get("step_seconds")) if run.timing else ""),
        ("hardware", hardware(run)),
        ("commit", facts.get("commit")),
        ("jaxgen", facts.get("jaxgen")),
        ("Python", facts.get("python")),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items())),
        ("the study's command", (run.entry or {}).get("command")),
        ("resumed", f"{run.resumes} time{'s' * (run.resumes != 1)}"),
    ]
    numbers = [
        (key, _exact(record.get("value")) + _of_step(run.earlier(key)), _exact(record.get("spread")) + _over(record))
        for key, record in run.results.items()
    ]
    moved = command.places(run.config)
    warnings = [f"Paths of the machine it ran on: {', '.join(moved)}; set your own."] if moved else []
    if own := command.own_keys(run):
        there = command.kept_in(run)
        how = (
            f": the command takes it from {there}."
            if there
            else ", and its config.json is lost: no command can set it."
        )
        warnings.append(f"The defaults lack keys of its config ({', '.join(own)}){how}")
    return Card(
        run,
        run_grids.run_anchor(run),
        model,
        found[run.place],
        [(key, _plain(old), _plain(new)) for key, (old, new) in command.changes(run).items()],
        [(name, str(value)) for name, value in rows if value not in (None, "")],
        numbers,
        sorted(run.skipped.items()),
        _checkout(facts.get("commit")) + command.reproduce(run),
        " ".join(warnings),
        json.dumps(run.config, indent=1),
    )


def _checkout(commit) -> str:
    """The line that brings back the code, where a whole commit is known."""
    return f"git checkout {commit}\n" if re.fullmatch(r"[0-9a-f]{40}", str(commit)) else ""


def _exact(value) -> str:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.6g}" if known else "–"


def _of_step(step: int | None) -> str:
    return "" if step is None else f" (of step {step:,})"


def _over(record: dict) -> str:
    return f" ({record['spread_kind']})" if record.get("spread_kind") and record.get("spread") is not None else ""


def _plain(value) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
