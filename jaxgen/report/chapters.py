"""The contents of a report as data. The page and the Markdown file both render these data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxgen.errors import UserError
from jaxgen.report import baselines, costs, grids, pictures, plots, tsne
from jaxgen.report.cards import Card, card
from jaxgen.report.comparison import MetricTable, tables
from jaxgen.report.findings import findings
from jaxgen.report.grids import Grid
from jaxgen.report.metric import Metric
from jaxgen.report.run_record import RunRecord
from jaxgen.report.run_search import StudyRecord, listed, noted_runs
from jaxgen.report.sections import Section, sections
from jaxgen.report.summary import Sentence, summary
from jaxgen.settings import lookup


class Figure(NamedTuple):
    """An SVG element, its name among the files of the Markdown twin, and its caption."""

    svg: str
    name: str
    caption: str


@dataclass
class Chapter:
    """The contents of the chapter of one data set."""

    section: Section
    summary: list[Sentence]
    table: MetricTable | None
    leaderboard: Grid | None
    pairs: Grid | None
    effectiveness: Grid
    efficiency: Grid
    reliability: Grid
    metrics: list[Metric]
    figures: dict[str, Figure] = field(default_factory=dict)
    training: list[Figure] = field(default_factory=list)
    picture_kinds: list[pictures.PictureKind] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """title. Chapters by data set. lost: sentences about runs without comparable results."""

    title: str
    chapters: list[Chapter]
    lost: list[Sentence]
    counts: str


def report_of(runs: Sequence[RunRecord], studies: Sequence[StudyRecord], title: str, rank_by: str = "") -> Report:
    """The whole report of runs and of their studies.

    Args:
      rank_by: the metric that ranks the models. "": on each data set that of its studies, if they agree.

    Raises:
      UserError: no run has `rank_by`.
    """
    readable = [run for run in runs if _is_readable(run)]
    parts, unknown = sections(readable)
    unknown += [run for run in runs if run not in readable]
    chapters = [_chapter(section, rank_by or _of_studies(section, studies)) for section in parts]
    if rank_by and not any(_is_by(chapter, rank_by) for chapter in chapters):
        known = {m.key for chapter in chapters for m in chapter.metrics if m.direction != "none"}
        raise UserError(lookup.unknown("--rank_by", rank_by, sorted(known)))
    for chapter in chapters:
        _draw(chapter)
    pictures.fit([kind for chapter in chapters for kind in chapter.picture_kinds])
    lost = [sentence for study in studies for sentence in _of_study(study, runs)]
    for run in unknown:
        text = f"Left out: {'; '.join(run.problems) or 'no config tells what it is'}."
        lost.append(Sentence(f"{run.place}:", text, "bad"))
    counts = [(sum(len(section.runs) for section in parts), "run")]
    counts += [(sum(len(section.models) for section in parts), "model"), (len(parts), "data set")]
    of_runs, of_models, of_data = (f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts)
    return Report(title, chapters, lost, f"{of_runs} of {of_models} on {of_data}")


def _is_readable(run: RunRecord) -> bool:
    """Whether a run's files allow a chapter. Values of the wrong kind must not break other runs."""
    try:
        for section in sections([run])[0]:
            _chapter(section)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError) as error:
        run.problems.append(f"its files hold impossible values ({error})")
        return False
    return True


def _of_study(study: StudyRecord, runs: Sequence[RunRecord]) -> list[Sentence]:
    """Runs of a study that failed, or have not left anything."""
    if study.problem:
        return [Sentence(f"{study.folder.name}:", f"{study.problem.capitalize()}.", "bad")]
    sentences = []
    for entry in study.entries:
        if entry.get("defined") is False:
            text = "The study no longer names it. Its runs are shown all the same."
            sentences.append(Sentence(f"{entry['name']}, left over:", text))
            continue
        for planned in noted_runs(entry) or [entry]:
            sentences += _of_planned_run(study, entry, planned, runs)
    return sentences


def _of_planned_run(study: StudyRecord, entry: dict, planned: dict, runs: Sequence[RunRecord]) -> list[Sentence]:
    """Of a run that failed or left nothing; planned: the entry itself where it says nothing of single runs."""
    places = {(study.folder / str(place)).resolve() for place in (planned.get("workdir"), entry["name"]) if place}
    has = any(places & {run.folder.resolve(), *run.folder.resolve().parents} for run in runs)
    has |= planned is entry and any((run.entry or {}).get("name") == entry["name"] for run in runs)
    seeds, status = listed(planned, "seeds"), planned.get("status")
    name = f"{entry['name']}, seed {', '.join(map(str, seeds))}" if seeds else str(entry["name"])
    if status == "failed":
        tries = planned.get("attempts")
        after = f" after {tries} attempt{'s' * (tries != 1)}" if isinstance(tries, int) else ""
        why = str(planned.get("message") or "the study gives no reason").rstrip(".")
        return [Sentence(f"{name}, failed{after}:", f"{why}.", "bad")]
    if not has or status in ("waiting", "running"):
        state = "it is missing" if status == "done" else f"it is {status}" if status else "it has not begun"
        return [Sentence(f"{name}, missing:", f"The study planned it. {state}.", "warning")]
    return []


def _of_studies(section: Section, studies: Sequence[StudyRecord]) -> str:
    """The metric that the studies of these runs name. "" if they name none or do not agree."""
    names = {run.entry["study"] for run in section.runs if run.entry}
    wanted = {study.rank_by for study in studies if study.name in names}
    return wanted.pop() if len(wanted) == 1 else ""


def _is_by(chapter: Chapter, rank_by: str) -> bool:
    return chapter.table is not None and rank_by in (chapter.table.metric.key, chapter.table.metric.base)


def _chapter(section: Section, rank_by: str = "") -> Chapter:
    every = tables(section, rank_by)
    deciding = next((t for t in every[:1] if t.metric.direction != "none"), None)
    for run in section.runs:
        run.findings = findings(run, every)
    by_model = {model.number: costs.model_cost(model) for model in section.models}
    chapter = Chapter(
        section,
        summary(section, deciding, by_model),
        deciding,
        grids.leaderboard(deciding) if deciding else None,
        grids.pairs(deciding) if deciding and any(d.p is not None for d in deciding.differences.values()) else None,
        grids.effectiveness(section, every),
        costs.efficiency(section, by_model, deciding),
        grids.reliability(section, deciding),
        [table.metric for table in every],
        cards=[card(run, model) for model in section.models for run in model.runs],
    )
    beside = baselines.of(section, every)
    if chapter.leaderboard and rank_by and not _is_by(chapter, rank_by):
        chapter.leaderboard.notes.append(
            f"Not ranked by {rank_by}: no run on this data set has it with a better direction."
        )
    if chapter.leaderboard:
        baselines.add_to_leaderboard(chapter.leaderboard, deciding, beside)
    baselines.add_to_effectiveness(chapter.effectiveness, every, beside)
    if verdict := baselines.sentence(every, beside):
        chapter.summary.insert(1, verdict)
    return chapter


def _draw(chapter: Chapter) -> None:
    """Adds the figures and pictures."""
    section, table = chapter.section, chapter.table

    def add(name: str, svg: str | None, caption: str) -> None:
        if svg is not None:
            chapter.figures[name] = Figure(svg, f"{section.slug}_{name}.svg", caption)

    if table and table.ranked:
        dots = "Each mark is a seed. The stroke is the mean. The pale bar is its 95% interval within the axis."
        if len(table.ranked) > 1 or table.ranked[0].summary.n > 1:  # one mark alone shows nothing
            add("leaderboard", plots.leaderboard(table, f"{section.slug}-a"), dots)
        side = "the lower left" if table.metric.direction == "lower" else "the upper left"
        side = side if table.metric.target is None else f"{table.metric.target:g} at the left"
        caption = f"Quality against training time. Towards {side} is better and cheaper."
        add("quality", plots.quality_against_cost(table, f"{section.slug}-b"), caption)
        caption = (
            "Quality against wall-clock during training, measured on evaluation.num_samples_in_training samples. The "
            "last point is the final evaluation, whose number of samples may differ."
        )
        add("progress", plots.progress(section, table.metric, f"{section.slug}-c"), caption)
    add("plane", *(tsne.plane(section, f"{section.slug}-d") or (None, "")))
    for model in section.models:
        svg = plots.training(model, f"{model.slug}-t")
        if svg is not None:
            chapter.training.append(Figure(svg, f"{model.slug}_training.svg", f"Losses of {model.name}"))
    chapter.picture_kinds, broken = pictures.kinds(section)
    chapter.notes += [f"{text}." for text in broken]
