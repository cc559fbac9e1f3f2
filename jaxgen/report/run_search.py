"""Finds runs and studies below directories."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.errors import UserError
from jaxgen.report.run_reader import read
from jaxgen.report.run_record import RunRecord
from jaxgen.settings import json_file

# A folder that has one of these is the work directory of a run.
_OF_RUN = ("config.json", "metrics.jsonl", "evaluation.json")
# Folders of a run, and of a study, that hold no runs.
_SKIPPED = {"checkpoints", "samples", "evaluation", "latent_samplers", "report", "figures"}
_SKIPPED |= {"tensorboard", "wandb", "mlruns", "mlartifacts"}  # copies for trackers


class StudyRecord(NamedTuple):
    """The contents of study.json: place, name, title, entries, and the file's problem ("" if none).

    rank_by: the metric that ranks the models, "" if the study names none.
    """

    folder: Path
    name: str
    title: str
    entries: list[dict[str, Any]]
    problem: str = ""
    rank_by: str = ""


def find_runs(directories: Sequence[Path]) -> tuple[list[RunRecord], list[StudyRecord]]:
    """Reads every run and study below the directories, in the order of their names.

    Raises:
      UserError: no such directory, or no run in any of them.
    """
    runs, studies, seen = [], [], set()
    for directory in directories:
        if not directory.is_dir():
            raise UserError(f"{directory}: no such directory. Name a directory with runs")
        for folder in _folders(directory):
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            if (folder / "study.json").exists():
                studies.append(_study(folder))
            if _is_run(folder):
                runs += read(folder, _place(folder, directory, len(directories) > 1))
    if not runs and not any(study.entries for study in studies):
        listed = ", ".join(map(str, directories))
        raise UserError(f"{listed}: no run there (no config.json, no study.json). Name a directory with runs")
    for study in studies:
        _assign(study, runs)
    return runs, studies


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in _OF_RUN)


def _folders(top: Path) -> Iterator[Path]:
    for name, below, files in os.walk(top):
        yield Path(name)
        is_run = any(file in files for file in _OF_RUN)
        # The folders of a run's seeds are read with it. A run may have the name of a folder that holds none.
        inner = [b for b in below if b not in _SKIPPED or _is_run(Path(name) / b)]
        below[:] = sorted(b for b in inner if not is_run and not b.startswith("."))


def _place(folder: Path, top: Path, several: bool) -> str:
    inner = folder.relative_to(top).as_posix()
    if inner == ".":
        return folder.resolve().name
    return f"{top.resolve().name}/{inner}" if several else inner


def _study(folder: Path) -> StudyRecord:
    try:
        content = json_file.read_object(folder / "study.json")
        entries = [entry for entry in content["entries"] if isinstance(entry, dict) and "name" in entry]
        name = str(content.get("name") or folder.name)
        title, rank_by = str(content.get("title") or name), str(content.get("rank_by") or "")
        return StudyRecord(folder, name, title, entries, rank_by=rank_by)
    except json_file.Damaged as damage:
        return StudyRecord(folder, folder.name, folder.name, [], f"study.json is unreadable: {damage}")
    except (FileNotFoundError, KeyError, TypeError):
        return StudyRecord(folder, folder.name, folder.name, [], "study.json is unreadable: it lists no entries")


def _assign(study: StudyRecord, runs: list[RunRecord]) -> None:
    """Gives each run of the study its entry, with the study's notes on that run if there are any."""
    for entry in study.entries:
        entries = {study.folder / "runs" / str(entry["name"]): entry}
        entries |= {study.folder / str(place): entry for place in listed(entry, "workdirs")}
        entries |= {study.folder / str(noted["workdir"]): {**entry, **noted} for noted in noted_runs(entry)}
        entries = {place.resolve(): of_run for place, of_run in entries.items()}
        for run in runs:
            for folder in (run.folder.resolve(), *run.folder.resolve().parents):
                if folder in entries:
                    run.entry = {**entries[folder], "study": study.name}
                    break


def noted_runs(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The notes of a study's entry on each of its runs: workdir, status, message, attempts, command."""
    return [noted for noted in listed(entry, "runs") if isinstance(noted, dict) and "workdir" in noted]


def listed(entry: dict[str, Any], key: str) -> list:
    """The list under a key, or an empty list."""
    return entry[key] if isinstance(entry.get(key), list) else []
