"""Reads runs from their work directories; whatever is damaged or missing is said, never raised."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgen.report.run import Made, Run
from jaxgen.settings import configuration

_ERROR = re.compile(r"^\S+ \S+ ERROR (.*)", re.MULTILINE)
_STARTED = re.compile(r"\bcompiling \d+ steps for")
# Of a program that trains several seeds each has its part of these; speed and memory are the whole program's.
_SHARED = ("_seconds", "step_ms", "flops_per_step")
_OF_SEED = re.compile(r"seed (-?\d+): ")
_RESUMED = "resuming at step "
# What `--mode=project` writes: pairs by inversion, in each space a file of its own.
_PROJECTIONS = ("projection.json", "projection_w.json", "projection_w_plus.json")


def read(folder: Path, place: str) -> list[Run]:
    """The run of a work directory, or one for each seed that was trained there."""
    written, problems = _json(folder / "config.json")
    config, wrong = _config(written.get("config"))
    program = Run(folder, place, config, problems=problems + wrong)
    program.facts = {key: value for key, value in written.items() if key != "config"}
    timing, wrong = _json(folder / "timing.json", needed=False)
    program.timing, program.problems = _numbers(timing), program.problems + wrong
    alarms, wrong = _json(folder / "alarms.json", needed=False)
    program.alarms, program.problems = _events(alarms.get("events")), program.problems + wrong
    program.lines, wrong = _lines(folder / "metrics.jsonl")
    program.problems += wrong
    _read_log(program)
    seeds = _seeds(folder, config)
    if not seeds:
        _read_results(program, folder)
        return [program]
    return [_lane(program, seed, len(seeds)) for seed in seeds]


def _seeds(folder: Path, config: Mapping) -> list[int]:
    """The seeds that share the program of a work directory; none where it is a run of one seed."""
    count = config.get("num_seeds", 1)
    if isinstance(count, int) and count > 1:
        return list(range(config.get("seed", 0), config.get("seed", 0) + count))
    return []


def _lane(program: Run, seed: int, lanes: int) -> Run:
    lane = Run(program.folder / f"seed_{seed}", f"{program.place}/seed_{seed}", {**program.config, "seed": seed})
    lane.config |= {"num_seeds": 1, "seed_devices": 0, "seed_program": "auto"}
    lane.facts = dict(program.facts)
    lane.timing = {
        name: value / lanes if name.endswith(_SHARED) and isinstance(value, int | float) else value
        for name, value in program.timing.items()
    }
    lane.lines = [line for line in program.lines if line.get("seed") in (seed, None)]
    alarms, wrong = _json(lane.folder / "alarms.json", needed=False)
    lane.alarms = _events(alarms.get("events"))
    lane.lanes, lane.resumes, lane.restarts = lanes, program.resumes, program.restarts
    lane.error, lane.problems = _own_error(program.error, seed), [*program.problems, *wrong]
    _read_results(lane, program.folder)
    return lane


def _own_error(error: str, seed: int) -> str:
    """What the error of a program means for one of its seeds: the line says which one it was."""
    found = _OF_SEED.match(error)
    if not found:
        return error
    return error[found.end() :] if int(found[1]) == seed else f"its program ended because of its seed {found[1]}"


def _read_results(run: Run, program: Path) -> None:
    """Adds evaluation.json, baselines.json and what projections measured, and the last step that there is any trace of.

    Args:
      program: the work directory that has the run's checkpoints.
    """
    found, problems = _json(run.folder / "evaluation.json", needed=False)
    run.problems += problems
    run.baselines, problems = _json(run.folder / "baselines.json", needed=False)
    run.problems += problems
    told = found.get("_run") if isinstance(found.get("_run"), dict) else {}
    if isinstance(found.get("_skipped"), dict):
        run.skipped = {str(key): str(value) for key, value in found["_skipped"].items()}
    if told:
        if not run.config:
            run.config, _ = _config(told.get("config"))
        elif isinstance(told.get("config"), dict):
            # Evaluations may be made anew under other settings than those the run was trained with.
            run.config = {**run.config, **{k: told["config"][k] for k in ("evaluation",) if k in told["config"]}}
        run.facts |= {key: value for key, value in told.items() if key not in ("config", "alarms")}
        run.timing = run.timing or (_numbers(told["timing"]) if isinstance(told.get("timing"), dict) else {})
    _add_results(run, found)
    for name in _PROJECTIONS:
        inverted, problems = _json(run.folder / name, needed=False)
        run.problems += problems
        _add_results(run, inverted)
    steps = [*_trained(run, program), *(made.step for made in run.made.values() if made.step is not None)]
    run.step = max(steps, default=None)
    planned, seconds = run.config.get("steps"), (run.config.get("budget") or {}).get("seconds")
    if isinstance(planned, int) and run.step is not None and run.step > planned and not seconds:
        run.config, run.outgrown = {**run.config, "steps": run.step}, planned
    # The evaluation of an earlier checkpoint tells the alarms as they were then.
    if isinstance(told.get("alarms"), list) and (told.get("step") == run.step or not run.alarms):
        run.alarms = _events(told["alarms"])


def _add_results(run: Run, found: Mapping[str, Any]) -> None:
    """The numbers of a file, and what they were made from; a number that is there already stays."""
    told = found.get("_run") if isinstance(found.get("_run"), dict) else {}
    config = told.get("config") if isinstance(told.get("config"), dict) else run.config
    settings = config.get("evaluation") if isinstance(config.get("evaluation"), dict) else {}
    step = told["step"] if isinstance(told.get("step"), int) else None
    for key, record in found.items():
        if not key.startswith("_") and isinstance(record, dict) and "value" in record and key not in run.results:
            run.results[key], run.made[key] = record, Made(step, settings.get("seed"))


def _trained(run: Run, program: Path) -> list[int]:
    """Steps that the training has left a trace of."""
    alarms, _ = _json(run.folder / "alarms.json", needed=False)
    steps = [line["step"] for line in run.lines]
    steps += [int(path.name) for path in (program / "checkpoints").glob("*") if path.name.isdigit()]
    return steps + ([alarms["step"]] if isinstance(alarms.get("step"), int) else [])


def _config(found: Any) -> tuple[dict, list[str]]:
    if found is None:
        return {}, []
    try:
        config = configuration.completed(found)
        usual = configuration.completed({})
        whole = all(isinstance(config[key], dict) for key, value in usual.items() if isinstance(value, dict))
    except (AttributeError, TypeError, ValueError):
        whole = False
    return (config, []) if whole else ({}, ["config.json holds no config"])


def _numbers(found: dict) -> dict[str, float | None]:
    """The entries that are numbers."""
    return {key: value for key, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}


def _json(path: Path, needed: bool = True) -> tuple[dict, list[str]]:
    """A JSON object of a file and what is wrong with it."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}, [f"there is no {path.name}"] if needed else []
    except (OSError, ValueError):
        return {}, [f"{path.name} is unreadable"]
    return (found, []) if isinstance(found, dict) else ({}, [f"{path.name} is unreadable"])


def _events(found: Any) -> list[dict]:
    keys = {"alarm", "step", "message"}
    return [e for e in found if isinstance(e, dict) and keys <= e.keys()] if isinstance(found, list) else []


def _lines(path: Path) -> tuple[list[dict], list[str]]:
    """The whole lines of metrics.jsonl."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return [], []
    except (OSError, ValueError):
        return [], [f"{path.name} is unreadable"]
    lines, damaged = [], 0
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            continue  # a run that is under way, or was killed, is in the middle of it
        try:
            found = json.loads(line)
            lines.append({**found, "step": int(found["step"])})
        except (ValueError, KeyError, TypeError):
            damaged += 1
    return lines, [f"{path.name} has {damaged} damaged line{'s' * (damaged > 1)}"] if damaged else []


def _read_log(run: Run) -> None:
    """Resumptions, starts without a checkpoint, and the error that ended the run, from log.txt."""
    try:
        text = (run.folder / "log.txt").read_text(errors="replace")
    except OSError:
        return
    starts = list(_STARTED.finditer(text))
    # Told just before it compiles; a run that has ended already resumes too, but only to be evaluated.
    before = [0, *(start.end() for start in starts)]
    run.resumes = sum(_RESUMED in text[end : start.start()] for end, start in zip(before, starts, strict=False))
    run.restarts = max(0, len(starts) - 1 - run.resumes)
    errors = list(_ERROR.finditer(text, starts[-1].start() if starts else 0))
    run.error = errors[-1][1].strip() if errors else ""
