"""The sessions of a run: the versions, devices and data folder that trained it, each from which step on.

config.json holds them under `sessions`, oldest first. A session that equals the one before it adds no entry.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.files.workdir import write_atomic
from jaxgen.settings import configuration, run_config

_FACTS = ("jaxgen", "packages", "python", "commit", "device", "machine", "data_dir")


class Stretch(NamedTuple):
    """The steps that a run has from one session. last: None for the steps up to its end."""

    first: int
    last: int | None
    session: Mapping[str, Any]


def begin(folder: Path, step: int, facts: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Records the session that trains a run from a step on, if it differs from the one before.

    Args:
      folder: the work directory. Its config.json exists.
      step: the step of the checkpoint from which the session continues, 0 at the start.
      facts: what `config.json` says of a new run: versions, commit, device.
      config: the session's config as plain types.

    Returns:
      What changed since the session before, such as "jax 0.10.1 there, 0.12.0 now".
    """
    contents = run_config.contents(folder)
    now = _session(facts, config)
    # A run of a version without the list has the facts of its first session beside it.
    known = recorded(contents) or [{"from_step": 0, **_session(contents, contents["config"])}]
    changed = _changes(known[-1], now)
    if changed or step < known[-1]["from_step"]:
        known.append({"from_step": step, "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **now})
    if contents.get("sessions") != known:
        write_atomic(folder / "config.json", json.dumps({**contents, "sessions": known}, indent=1) + "\n")
    return changed


def recorded(contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sessions in the contents of a config.json. Entries of another form are left out."""
    sessions = contents.get("sessions")
    entries = sessions if isinstance(sessions, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and type(entry.get("from_step")) is int]


def stretches(sessions: Sequence[Mapping[str, Any]]) -> list[Stretch]:
    """The steps of each session, in their order. Steps that a later session trained again are the later session's."""
    kept: list[Stretch] = []
    for session in sessions:
        kept = [stretch for stretch in kept if stretch.first < session["from_step"]]
        kept[-1:] = [stretch._replace(last=session["from_step"]) for stretch in kept[-1:]]
        kept.append(Stretch(session["from_step"], None, session))
    return kept


def unlike(sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The facts of each session that are not alike in all sessions, by name."""
    flat = [_flat(session) for session in sessions]
    names = dict.fromkeys(name for facts in flat for name in facts)
    names = [name for name in names if len({facts.get(name) for facts in flat}) > 1]
    return [{name: facts[name] for name in names if name in facts} for facts in flat]


def _session(facts: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    data_dir = config.get("data", {}).get("dir", "")
    return {**{key: facts[key] for key in _FACTS if key in facts}, "data_dir": data_dir}


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = _flat(before), _flat(now)
    differing = [name for name in new if name in old and old[name] != new[name]]
    return [f"{name} {old[name] or 'unknown'} there, {new[name] or 'unknown'} now" for name in differing]


def _flat(session: Mapping[str, Any]) -> dict[str, str]:
    """The facts of a session, by the names that people know: "jax", "device kind"."""
    flat = configuration.flatten({key: session[key] for key in _FACTS if key in session})
    values = {name: "" if value is None else str(value) for name, value in flat.items()}
    return {
        name.removeprefix("packages.").replace("device.", "device ").replace("data_dir", "data.dir"): value
        for name, value in values.items()
    }
