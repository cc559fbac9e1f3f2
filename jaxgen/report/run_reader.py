"""Reads runs from their work directories. Damaged or missing files are reported and raise no error."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgen.files import workdir
from jaxgen.files.logs import parsed_lines
from jaxgen.report.run_record import Failure, NumberOrigin, RunRecord
from jaxgen.settings import configuration, json_file

_ERROR = re.compile(r"^\S+ \S+ ERROR (.*)", re.MULTILINE)
_STARTED = re.compile(r"\bcompiling \d+ steps for")
_RESUMED = "resuming at step "
# Of a program that trains several seeds each has its part of these; speed and memory are the whole program's.
_SHARED = ("_seconds", "step_ms", "flops_per_step")
# What `--mode=project` writes: pairs by inversion, in each space a file of its own.
_PROJECTIONS = ("projection.json", "projection_w.json", "projection_w_plus.json")


def read(folder: Path, place: str) -> list[RunRecord]:
    """The run of a work directory, or a run for each seed of its program."""
    program = RunRecord(folder, place)
    problems = program.problems
    written = _json(folder / "config.json", problems, needed=True)
    program.config = _config(written.get("config"), problems)
    program.facts = {key: value for key, value in written.items() if key != "config"}
    program.timing = _numbers(_json(folder / "timing.json", problems))
    program.alarms = _events(_json(folder / "alarms.json", problems).get("events"))
    program.lines = _lines(folder / "metrics.jsonl", problems)
    _read_log(program)
    program.failure = _recorded_failure(folder / "failure.json", problems) or program.failure
    first, count = program.config.get("seed", 0), program.config.get("num_seeds", 1)
    if isinstance(count, int) and count > 1:
        return [_lane(program, seed, count) for seed in range(first, first + count)]
    _read_results(program, folder)
    return [program]


def _lane(program: RunRecord, seed: int, lanes: int) -> RunRecord:
    config = {**program.config, "seed": seed, "num_seeds": 1, "seed_devices": 0, "seed_program": "auto"}
    lane = RunRecord(program.folder / f"seed_{seed}", f"{program.place}/seed_{seed}", config)
    lane.facts = dict(program.facts)
    lane.timing = {name: value / lanes if name.endswith(_SHARED) else value for name, value in program.timing.items()}
    lane.lines = [line for line in program.lines if line.get("seed") in (seed, None)]
    lane.problems = list(program.problems)
    lane.alarms = _events(_json(lane.folder / "alarms.json", lane.problems).get("events"))
    lane.lanes, lane.resumes, lane.restarts = lanes, program.resumes, program.restarts
    lane.failure = program.failure
    if program.failure and program.failure.seed not in (seed, None):
        lane.failure = Failure(False, f"its program ended because of its seed {program.failure.seed}")
    _read_results(lane, program.folder)
    return lane


def _read_results(run: RunRecord, program: Path) -> None:
    """Adds the numbers and the last step that there is any trace of; program: the folder that has the checkpoints."""
    evaluation = _json(run.folder / "evaluation.json", run.problems)
    run.baselines = _json(run.folder / "baselines.json", run.problems)
    made_by = _dict(evaluation, "_run")
    run.skipped = {str(key): str(value) for key, value in _dict(evaluation, "_skipped").items()}
    if not run.config:
        run.config = _config(made_by.get("config"), [])
    elif "evaluation" in _dict(made_by, "config"):
        # Evaluations may be made anew under other settings than those the run was trained with.
        run.config = {**run.config, "evaluation": made_by["config"]["evaluation"]}
    run.facts |= {key: value for key, value in made_by.items() if key not in ("config", "alarms")}
    run.timing = run.timing or _numbers(_dict(made_by, "timing"))
    _add_results(run, evaluation)
    for name in _PROJECTIONS:
        _add_results(run, _json(run.folder / name, run.problems))
    steps = [line["step"] for line in run.lines] + workdir.checkpoint_steps(program)
    steps += [_json(run.folder / "alarms.json", []).get("step"), *(origin.step for origin in run.origins.values())]
    run.step = max((step for step in steps if isinstance(step, int)), default=None)
    planned, seconds = run.config.get("steps"), (run.config.get("budget") or {}).get("seconds")
    if isinstance(planned, int) and run.step is not None and run.step > planned and not seconds:
        run.config, run.outgrown = {**run.config, "steps": run.step}, planned
    # The evaluation of an earlier checkpoint tells the alarms as they were then.
    if isinstance(made_by.get("alarms"), list) and (made_by.get("step") == run.step or not run.alarms):
        run.alarms = _events(made_by["alarms"])


def _add_results(run: RunRecord, records: Mapping[str, Any]) -> None:
    """The numbers of a file with their origins. Existing numbers stay."""
    made_by = _dict(records, "_run")
    config = made_by["config"] if isinstance(made_by.get("config"), dict) else run.config
    step = made_by["step"] if isinstance(made_by.get("step"), int) else None
    origin = NumberOrigin(step, _dict(config, "evaluation").get("seed"))
    for key, record in records.items():
        if not key.startswith("_") and isinstance(record, dict) and "value" in record and key not in run.results:
            run.results[key], run.origins[key] = record, origin


def _config(written: object, problems: list[str]) -> dict[str, Any]:
    if written is None:
        return {}
    try:
        config = configuration.completed(written)
        defaults = configuration.completed({})
        whole = all(isinstance(config[key], dict) for key, value in defaults.items() if isinstance(value, dict))
    except (AttributeError, TypeError, ValueError):
        whole = False
    if not whole:
        problems.append("config.json holds no config")
    return config if whole else {}


def _dict(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The dict under a key, empty where there is none."""
    return parent[key] if isinstance(parent.get(key), dict) else {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    """The entries that are numbers."""
    return {key: value for key, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}


def _json(path: Path, problems: list[str], needed: bool = False) -> dict[str, Any]:
    """A JSON object of a file, empty if it cannot be read. Errors are added to the problems."""
    try:
        return json_file.read_object(path)
    except FileNotFoundError:
        problems += [f"there is no {path.name}"] if needed else []
    except json_file.Damaged as damage:
        problems.append(f"{path.name} is unreadable: {damage}")
    return {}


def _events(written: object) -> list[dict]:
    keys = {"alarm", "step", "message"}
    return [e for e in written if isinstance(e, dict) and keys <= e.keys()] if isinstance(written, list) else []


def _lines(path: Path, problems: list[str]) -> list[dict]:
    """The whole lines of metrics.jsonl. A run that is under way may be in the middle of the last line."""
    lines, damaged = parsed_lines(path)
    problems += [f"{path.name} {'is' if damaged.startswith('unreadable') else 'has'} {damaged}"] if damaged else []
    return [values for _, _, values in lines]


def _read_log(run: RunRecord) -> None:
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
    run.failure = Failure.in_line(errors[-1][1].strip()) if errors else None


def _recorded_failure(path: Path, problems: list[str]) -> Failure | None:
    """The failure that training itself wrote down; it removes the file when it goes on."""
    record = _json(path, problems)
    if not isinstance(record.get("message"), str):
        return None
    seed = record.get("seed")
    return Failure(record.get("kind") == "not_finite", record["message"], seed if isinstance(seed, int) else None)
