"""The card of a run: its findings, its numbers, and the way to reproduce it."""

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.errors import UserError
from jaxgen.files import sessions
from jaxgen.report.costs import hardware
from jaxgen.report.formatting import duration
from jaxgen.report.run_record import RunRecord
from jaxgen.report.sections import Model
from jaxgen.settings import configuration, default, run_config

# Where things lay on the machine of the run, and what it did beside training.
_PLACES = ("data.dir", "data.cache_dir", "compilation_cache")


class Card(NamedTuple):
    """The contents of a run's card.

    changes: (key, default, the run's value). facts: (name, value). numbers: (metric, value, spread). skipped: (metric,
    reason). command: for a shell. config: the whole config as JSON.
    """

    run: RunRecord
    model: Model
    changes: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]
    numbers: list[tuple[str, str, str]]
    skipped: list[tuple[str, str]]
    command: str
    warning: str
    config: str


def card(run: RunRecord, model: Model) -> Card:
    """The card of a run of a model."""
    facts = run.facts
    packages = facts.get("packages") if isinstance(facts.get("packages"), dict) else {}
    parameters = facts.get("parameters") if isinstance(facts.get("parameters"), dict) else {}
    # The line that brings back the code, where a whole commit is known.
    whole = re.fullmatch(r"[0-9a-f]{40}", str(facts.get("commit")))
    checkout = f"git checkout {facts['commit']}\n" if whole else ""
    rows = [
        ("folder", run.folder),
        ("seed", run.seed),
        ("step", run.step),
        ("parameters", ", ".join(f"{name} {count:,}" for name, count in parameters.items() if isinstance(count, int))),
        ("trained", duration(run.timing.get("step_seconds")) if run.timing else ""),
        ("hardware", hardware(run)),
        ("commit", facts.get("commit")),
        ("jaxgen", facts.get("jaxgen")),
        ("Python", facts.get("python")),
        *_sessions(facts),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items())),
        ("the study's command", (run.entry or {}).get("command")),
        ("resumed", f"{run.resumes} time{'s' * (run.resumes != 1)}"),
    ]
    return Card(
        run,
        model,
        [(key, _plain(old), _plain(new)) for key, (old, new) in _changes(run).items()],
        [(name, str(value)) for name, value in rows if value not in (None, "")],
        [_number(run, key, record) for key, record in run.results.items()],
        sorted(run.skipped.items()),
        checkout + reproduce(run),
        _warning(run),
        json.dumps(run.config, indent=1),
    )


def _sessions(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a run that was trained by several versions, devices or from several folders: which steps by which."""
    stretches = sessions.stretches(sessions.recorded(facts))
    if len(stretches) < 2:
        return []
    unlike = sessions.unlike([stretch.session for stretch in stretches])
    rows = []
    for stretch, values in zip(stretches, unlike, strict=True):
        end = "on" if stretch.last is None else f"to {stretch.last:,}"
        rows.append(
            (f"from step {stretch.first:,} {end}", ", ".join(f"{name} {value}" for name, value in values.items()))
        )
    return rows


def reproduce(run: RunRecord) -> str:
    """A shell command that reproduces the run, from the defaults, whatever file its config came from.

    If the config has keys that the defaults lack, the command uses the config in the work directory.
    """
    source, other = "default", {key: value for key, (_, value) in _changes(run).items()}
    if _own_keys(run) and (folder := _kept_in(run)) is not None:
        kept = configuration.flatten(configuration.to_dict(run_config.read(folder)))
        # Where the run was evaluated anew, or is one of several seeds of the folder.
        other = {key: value for key, value in configuration.flatten(run.config).items() if kept.get(key) != value}
        source = str(folder)
    name = "_".join(run.place.split("/")[-2:]).strip("_") or "run"
    parts = [f"python -m jaxgen.main --config {shlex.quote(source)}"]
    parts += [f"--workdir {shlex.quote(f'runs/{name}_again')}"]
    parts += [shlex.quote(f"--config.{key}={_value(value)}") for key, value in other.items()]
    return " \\\n  ".join(parts)


def _defaults() -> dict[str, Any]:
    return configuration.flatten(configuration.to_dict(default.get_config()))


def _changes(run: RunRecord) -> dict[str, tuple[Any, Any]]:
    """Keys of the config that are not at their defaults: key -> (default, the run's)."""
    defaults, values = _defaults(), configuration.flatten(run.config)
    return {key: (defaults.get(key), value) for key, value in values.items() if defaults.get(key) != value}


def _own_keys(run: RunRecord) -> list[str]:
    """Keys that the defaults lack: a command line can set none that its config file does not have."""
    return sorted(configuration.flatten(run.config).keys() - _defaults().keys())


def _kept_in(run: RunRecord) -> Path | None:
    """The folder whose config.json has the run's config: its own, or that of all seeds. None if it is lost."""
    for folder in (run.folder, run.folder.parent):
        with suppress(UserError):
            run_config.read(folder)
            return folder
    return None


def _value(value: object) -> str:
    """As the command line takes it."""
    if isinstance(value, list):
        return f"({', '.join(map(repr, value))}{',' if len(value) == 1 else ''})"
    return str(value)


def _warning(run: RunRecord) -> str:
    """Obstacles to reproducing a run elsewhere."""
    values, warnings = configuration.flatten(run.config), []
    if moved := [key for key in _PLACES if str(values.get(key, "")).startswith(("/", "~", ".."))]:
        warnings.append(f"The config has paths of the run's machine: {', '.join(moved)}. Set your own.")
    if own := _own_keys(run):
        there, how = _kept_in(run), ". The run's config.json is lost, so no command can set them."
        how = f". The command takes them from {there}." if there else how
        warnings.append(f"The defaults lack keys of the run's config ({', '.join(own)}){how}")
    return " ".join(warnings)


def _number(run: RunRecord, key: str, record: dict[str, Any]) -> tuple[str, str, str]:
    step, spread, kind = run.earlier(key), record.get("spread"), record.get("spread_kind")
    of_step = "" if step is None else f" (of step {step:,})"
    over = f" ({kind})" if kind and spread is not None else ""
    return key, _exact(record.get("value")) + of_step, _exact(spread) + over


def _exact(value: object) -> str:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.6g}" if known else "–"


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
