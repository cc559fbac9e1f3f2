"""study.json: the runs of a study with their states."""

import json
import os
import shlex
import time
from pathlib import Path
from typing import Any

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic
from jaxgen.settings import json_file
from jaxgen.study.definition import Entry, PlannedRun, StudyPlan

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


class StudyFile:
    """The contents of study.json, written whole after every change.

    `{name, title, created, config, order, rank_by, entries: [{name, title, config, overrides, seeds, budget, workdirs,
    status, attempts, message, seconds, runs: [{seeds, workdir, status, attempts, message, exit_code, seconds,
    command}]}]}`.
    The status of an entry is "failed" if one of its runs failed and no run is left to do. Entries with runs that are no
    longer in the study stay, with `"defined": false`.

    Args:
      folder: the study's folder.
      study: the study to record.

    Raises:
      UserError: the folder belongs to another study, or to a run.
    """

    def __init__(self, folder: Path, study: StudyPlan):
        self._path = folder / "study.json"
        before = self._read(folder, study.name)
        known = {run["workdir"]: run for entry in before.get("entries", []) for run in entry["runs"]}
        self._content = {
            "name": study.name,
            "title": study.title,
            "created": before.get("created") or time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "config": study.file,
            "order": study.order,
            "rank_by": study.rank_by,
            "entries": [self._entry(entry, known, folder) for entry in study.entries],
        }
        names = {entry.name for entry in study.entries}
        self.left = [
            {**entry, "defined": False}
            for entry in before.get("entries", [])
            if entry["name"] not in names and any((folder / workdir).exists() for workdir in entry["workdirs"])
        ]
        self._content["entries"] += self.left
        self._runs = {run["workdir"]: run for entry in self._content["entries"] for run in entry["runs"]}

    def _read(self, folder: Path, name: str) -> dict[str, Any]:
        try:
            before = json_file.read_object(self._path)
            owner, reason = before.get("name"), "" if _is_whole(before) else "its entries are not those of a study"
        except FileNotFoundError:
            if os.path.lexists(folder / "config.json"):
                raise UserError(f"--workdir={folder} holds a single run and no study. Name another folder") from None
            return {}
        except json_file.Damaged as damage:
            reason = str(damage)
        if reason:
            raise UserError(f"{self._path} is unreadable: {reason}. Move it away. Finished runs are found again")
        if owner != name:
            raise UserError(f"--workdir={folder} belongs to the study {owner!r}. Name another folder for {name!r}")
        return before

    def _entry(self, entry: Entry, known: dict[str, dict], folder: Path) -> dict[str, Any]:
        fresh = {"status": WAITING, "attempts": 0, "message": "", "exit_code": None, "seconds": 0.0}
        runs = []
        for run in entry.runs:
            command = shlex.join(["python", "-m", "jaxgen.main", *run.arguments, f"--workdir={folder / run.workdir}"])
            kept = {key: known.get(run.workdir, fresh).get(key, fresh[key]) for key in fresh}
            runs.append({"seeds": list(run.seeds), "workdir": run.workdir, **kept, "command": command})
        settings = {key: value for key, value in entry._asdict().items() if key != "runs"}
        return {**settings, "workdirs": [run.workdir for run in entry.runs], "runs": runs}

    @property
    def entries(self) -> list[dict[str, Any]]:
        """As in the file."""
        return self._content["entries"]

    def of(self, run: PlannedRun) -> dict[str, Any]:
        """The record of a run: status, attempts, message, exit_code, seconds, command."""
        return self._runs[run.workdir]

    def note(self, run: PlannedRun, **values) -> None:
        """Changes the record of a run. `write` saves it."""
        self._runs[run.workdir].update(values)

    def write(self) -> None:
        """Writes study.json. Each entry's status follows from its runs."""
        for entry in self.entries:
            runs = entry["runs"]
            entry["status"] = min((run["status"] for run in runs), key=(RUNNING, WAITING, FAILED, DONE).index)
            entry["attempts"] = sum(run["attempts"] for run in runs)
            entry["message"] = next((run["message"] for run in runs if run["status"] == FAILED), "")
            entry["seconds"] = round(sum(run["seconds"] for run in runs), 3)
        write_atomic(self._path, json.dumps(self._content, indent=1) + "\n")


def _is_whole(content: dict[str, Any]) -> bool:
    """Whether the contents of a study.json have all that a study reads of them."""
    entries = content.get("entries")
    return (
        isinstance(content.get("name"), str)
        and isinstance(entries, list)
        and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries)
        and all(isinstance(entry.get("workdirs"), list) and isinstance(entry.get("runs"), list) for entry in entries)
        and all(isinstance(workdir, str) for entry in entries for workdir in entry["workdirs"])
        and all(map(_is_whole_run, (run for entry in entries for run in entry["runs"])))
    )


def _is_whole_run(run: object) -> bool:
    return (
        isinstance(run, dict)
        and isinstance(run.get("workdir"), str)
        and run.get("status", WAITING) in (WAITING, RUNNING, DONE, FAILED)
        and type(run.get("attempts", 0)) is int
        and isinstance(run.get("message", ""), str)
        and type(run.get("seconds", 0.0)) in (int, float)
    )
