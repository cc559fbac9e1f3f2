"""The tables of what models cost and of how their runs went."""

from collections import Counter
from collections.abc import Mapping, Sequence

from jaxgen.report.comparison import Table, number
from jaxgen.report.costs import Cost, curve, reached
from jaxgen.report.findings import Finding
from jaxgen.report.grids import NOTHING, Badge, Cell, Grid
from jaxgen.report.groups import Section
from jaxgen.report.numbers import duration, large, rounded, significant
from jaxgen.report.run import Run


def efficiency(section: Section, costs: Mapping[int, Cost], table: Table | None) -> Grid:
    """Time, speed, memory and arithmetic of every model."""
    heads = [Cell("model"), Cell("time to train", "a seed"), Cell("of it compiling"), Cell("step"), Cell("images/s")]
    heads += [Cell("peak memory", "host"), Cell("peak memory", "device"), Cell("parameters"), Cell("FLOPs", "a step")]
    heads += [Cell("FLOPs", "training"), Cell("evaluation")]
    goal = _goal(section, table)
    if goal is not None:
        heads.append(Cell("time to reach", f"{table.metric.title} {rounded(goal)}"))
    grid = Grid("What the models cost, means over seeds", heads, [])
    for model in section.models:
        c = costs[model.number]
        shared = f"{c.shared} seeds in one program" if c.shared > 1 else ""
        cells = [
            Cell(model.name, shared, anchor=model.slug),
            Cell(duration(c.train_seconds)),
            Cell(duration(c.compile_seconds)),
        ]
        cells += [Cell("–" if c.step_ms is None else f"{significant(c.step_ms, 3)} ms"), Cell(_whole(c.images_per_s))]
        cells += [Cell(_memory(c.host_memory_mb)), Cell(_memory(c.device_memory_mb)), Cell(large(c.parameters))]
        cells += [Cell(large(c.flops_per_step)), Cell(large(c.flops)), Cell(duration(c.evaluation_seconds or None))]
        if goal is not None:
            times = [reached(curve(run, table.metric), table.metric, goal) for run in model.runs]
            known = [time for time in times if time is not None]
            cells.append(Cell(duration(sum(known) / len(known)), _of(len(known), len(times))) if known else NOTHING)
        grid.rows.append(cells)
        grid.badges.append([])
    hardware = sorted({name for c in costs.values() for name in c.hardware})
    if len(hardware) > 1:
        grid.notes.append(f"Trained on different hardware ({'; '.join(hardware)}): times and speeds do not compare.")
    elif hardware:
        grid.notes.append(f"All on: {hardware[0]}.")
    if goal is not None:
        grid.notes.append(
            "The goal is the worst of the models' last numbers, so that each of them reaches it; measured on "
            "evaluation.num_samples_in_training samples, a step counting the mean time of all."
        )
    if any(c.shared > 1 for c in costs.values()):
        grid.notes.append(
            "Of seeds in one program seconds and FLOPs are each one's part, images/s and memory the whole program's."
        )
    return grid


def _goal(section: Section, table: Table | None) -> float | None:
    """The worst last number of the curves, where two models or more have one."""
    if table is None or table.metric.direction == "none":
        return None
    ends = [[p[-1][1] for run in m.runs if (p := curve(run, table.metric))] for m in section.models]
    last = [max(values, key=table.metric.loss) for values in ends if values]
    return max(last, key=table.metric.loss) if len(last) > 1 else None


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else significant(value, 3)


def _memory(mb: float | None) -> str:
    return "–" if mb is None else f"{mb:,.0f} MiB" if mb < 10_000 else f"{mb / 1024:,.1f} GiB"


def _of(part: int, whole: int) -> str:
    return "" if part == whole else f"{part} of {whole} runs"


def reliability(section: Section, table: Table | None, found: Mapping[str, Sequence[Finding]]) -> Grid:
    """Every run: how it ended, how often it was resumed, its alarms and findings."""
    metric = table.metric if table else None
    heads = [Cell("run"), Cell("seed"), Cell("steps"), Cell("resumed"), Cell("alarms"), Cell("still on")]
    if metric:
        heads.append(Cell(f"{metric.title} {metric.arrow}".strip(), metric.of))
    grid = Grid("Every run", heads, [])
    for model in section.models:
        for run in model.runs:
            steps = run.config.get("steps")
            step = "–" if run.step is None else f"{run.step:,}"
            whole = "" if run.finished or not isinstance(steps, int) else f"of {steps:,}"
            again = f"{run.restarts} began anew" if run.restarts else ""
            on = sum(event.get("ended") is None for event in run.alarms)
            cells = [Cell(run.place, anchor=run_anchor(run)), Cell("–" if run.seed is None else str(run.seed))]
            cells += [Cell(step, whole, "warning" if whole else ""), Cell(str(run.resumes), again)]
            cells += [Cell(str(len(run.alarms))), Cell(str(on), look="bad" if on else "")]
            if metric:
                record = run.results.get(metric.key, {})
                error = record.get("standard_error", record.get("spread"))
                earlier = run.earlier(metric.key)
                mark = "" if earlier is None else f"of step {earlier:,}"
                cells.append(Cell(rounded(number(record), error if isinstance(error, float) else None), mark))
            grid.rows.append(cells)
            kinds = {f.kind: f for f in reversed(found[run.place]) if f.level != "note"}
            grid.badges.append([Badge(f.kind, f.level) for f in reversed(kinds.values())])
    commits = Counter(str(run.facts.get("commit") or "an unknown one")[:12] for run in section.runs)
    if len(commits) > 1:
        told = ", ".join(f"{commit} ({count})" for commit, count in commits.most_common())
        grid.notes.append(f"The runs were made by different commits: {told}.")
    grid.notes.append("Resumed: how often a run went on from a checkpoint after it was cut off, as its log tells.")
    return grid


def run_anchor(run: Run) -> str:
    """The anchor of a run's card."""
    return "run-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in run.place)
