"""How a training ends for a person: the run's own report page, and the last lines of the command."""

import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxgen.training.lanes import Lane, container_of

log = logging.getLogger(__name__)
# The most numbers that one line has room for.
_NUMBERS = 6
# Of an evaluation's pictures those that say most, in the order in which to look at them.
_PICTURES = ("real_beside_fake", "real_and_generated", "marginals", "tsne")


def write_report(config, folder: Path) -> Path | None:
    """Writes the report page of a run into `report/` of its work directory.

    Args:
      folder: the work directory. For one of several seeds the page shows the whole run.

    Returns:
      The page. None if `config.report` is False, or after a warning that the page could not be written.
    """
    if not config.report:
        return None
    folder = container_of(folder) or folder
    try:
        from jaxgen import report  # Jinja and matplotlib, which a run without a page need not have

        return report.build([folder], folder / "report")
    except Exception as error:  # the run is complete without its page, whatever is wrong with the page
        reason = " ".join(str(error).split()) or type(error).__name__
        again = f"python -m jaxgen.report {_quoted(folder)} --out {_quoted(folder / 'report')}"
        log.warning("no report page (%s). The run itself is complete. To write the page again: %s", reason, again)
        return None


def last_lines(
    config,
    folder: Path,
    step: int,
    lanes: tuple[Lane, ...],
    results: Mapping[str, Any],
    page: Path | None,
    read: str = "",
) -> str:
    """What a training made and where, and what to do next. Only existing files are named.

    Args:
      folder: the work directory. step: the last one. lanes: the run's seeds.
      results: the contents of evaluation.json. page: what `write_report` gave. read: the line on the data.
    """
    made = [("data", read)] if read else []
    made += list(_made(folder, step, lanes, results, config.evaluation.pictures))
    if page is not None:
        made.append(("report", f"{page} (open it in a browser)"))
    width = max((len(name) for name, _ in made), default=0)
    seeds = f" with {len(lanes)} seeds" if len(lanes) > 1 else ""
    title = f"Done: {config.model.name} on {config.data.name}, {step:,} steps{seeds}. What is in {folder}:"
    lines = [title, *(f"  {name:<{width}}  {text}" for name, text in made), "Next:"]
    return "\n".join([*lines, *(f"  {purpose}  {command}" for purpose, command in _next_commands(config, folder))])


def _made(
    folder: Path, step: int, lanes: tuple[Lane, ...], results: Mapping[str, Any], pictures: bool
) -> Iterator[tuple[str, str]]:
    """Names and places of what the run made; of several seeds the pictures are those of the first."""
    of_seed = lanes[0].folder
    grids = {"samples": f"step_{step:07d}.png", "pairs": f"reconstructions_{step:07d}.png"}
    for name, file in grids.items():
        if (path := of_seed / "samples" / file).exists():
            yield name, str(path)
    if numbers := _numbers(results):
        yield "evaluation", numbers
        yield "", str(folder / "evaluation.json")
    drawn = [path for name in _PICTURES if (path := of_seed / "evaluation" / f"{name}.png").exists()]
    if pictures and drawn:  # those that an earlier evaluation left are of another step
        yield "pictures", ", ".join(map(str, drawn))


def _numbers(results: Mapping[str, Any]) -> str:
    """The first few numbers of an evaluation, with their spread over seeds where there is one."""
    values = {name: entry["value"] for name, entry in results.items() if not name.startswith("_")}
    shown = [f"{name} {value:.4g}" for name, value in values.items() if isinstance(value, int | float)]
    more = [f"and {len(shown) - _NUMBERS} more"] if len(shown) > _NUMBERS else []
    return ", ".join(shown[:_NUMBERS] + more)


def _next_commands(config, folder: Path) -> Iterator[tuple[str, str]]:
    """What to do next, and its command."""
    seed = config.seed + config.num_seeds
    run, other = _quoted(folder), _quoted(folder.with_name(f"{folder.name}_seed{seed}"))
    main = "python -m jaxgen.main"
    yield "more samples", f"{main} --workdir {run} --mode=sample"
    yield "another seed", f"{main} --config {run} --workdir {other} --config.seed={seed}"
    yield "compare both", f"python -m jaxgen.report {run} {other} --out report"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
