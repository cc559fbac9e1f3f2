"""The seeds of a run: a single seed, or several that one program trains side by side, each in a lane of the state.

A lane must equal a run of its seed alone. It has its own numbers, alarms, pictures and evaluation, in the folder
`seed_<s>` of the run's work directory.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxgen.devices import placement
from jaxgen.files.logs import mean
from jaxgen.files.workdir import grow, write_atomic
from jaxgen.settings import configuration, json_file
from jaxgen.trackers.base import TrackedRun
from jaxgen.training.alarms import Watch, check_finite

_PREFIX = "seed_"


class Lane(NamedTuple):
    """The data of one of a run's seeds, besides the state.

    config: the config of a run of this seed alone.
    folder: folder of its pictures, alarms and evaluation.
    index: its place in the first axis of the state's leaves. None if the state has no such axis.
    window: values since the last line of metrics.jsonl, by name.
    watch: its alarms.
    """

    config: ConfigDict
    folder: Path
    index: int | None
    window: dict[str, list[float]]
    watch: Watch

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def prefix(self) -> str:
        """The prefix of its messages. Empty if there is only one lane."""
        return "" if self.index is None else f"seed {self.seed}: "

    def players(self, mesh, players):
        """Its share of the state's players, in the form of a run of this seed alone."""
        return players if self.index is None else placement.lane(mesh, players, self.index)


def seeds_of(config) -> tuple[int, ...]:
    """The seeds of a config."""
    return tuple(range(config.seed, config.seed + config.num_seeds))


def seed_argument(config) -> int | tuple[int, ...]:
    """The argument of `parallel.init_state`. A tuple makes lanes."""
    return seeds_of(config) if config.num_seeds > 1 else config.seed


def folder_of(workdir: Path, seed: int) -> Path:
    """The folder of one of several seeds."""
    return workdir / f"{_PREFIX}{seed}"


def container_of(folder: Path) -> Path | None:
    """The work directory of a seed's folder, or None for another folder."""
    try:
        written = json_file.read_object(folder / "config.json")
    except (FileNotFoundError, json_file.Damaged):
        return None  # whoever needs the config tells of the damage
    return folder.absolute().parent if written.get("lane_of") == ".." else None


def make_lanes(config, workdir: Path, meta: Mapping[str, Any] | None) -> tuple[Lane, ...]:
    """The lanes of a run from the checkpoint's `meta` (None at the start)."""
    window, state = {}, None
    if meta is not None:
        window, state = meta.get("window", {}), meta.get("alarms")  # no alarms in checkpoints of earlier versions
    if config.num_seeds == 1:
        return (Lane(config, workdir, None, window, Watch(config.alarms, state)),)
    made = []
    for index, seed in enumerate(seeds_of(config)):
        alone, key = config.copy_and_resolve_references(), str(seed)
        alone.update({"seed": seed, "num_seeds": 1, "seed_devices": 0, "seed_program": "auto"})
        watch = Watch(alone.alarms, (state or {}).get(key))
        made.append(Lane(alone, folder_of(workdir, seed), index, window.get(key, {}), watch))
    return tuple(made)


def to_save(lanes: tuple[Lane, ...]) -> dict[str, Any]:
    """The JSON-able part of a checkpoint for `make_lanes`."""
    if lanes[0].index is None:
        return {"window": lanes[0].window, "alarms": lanes[0].watch.state()}
    return {
        "window": {str(lane.seed): lane.window for lane in lanes},
        "alarms": {str(lane.seed): lane.watch.state() for lane in lanes},
    }


def take_note(lanes: tuple[Lane, ...], first_step: int, metrics: Mapping[str, Any], kept: str) -> dict[str, float]:
    """Adds a dispatch's numbers to each lane's window.

    Args:
      metrics: name -> array [K], or [lanes, K].
      kept: the last good checkpoint, for the error line if a number is not finite.

    Returns:
      The last step's numbers, means over lanes.

    Raises:
      NotFinite: a loss is not finite.
    """
    rows = {name: value.reshape(len(lanes), -1).tolist() for name, value in metrics.items()}
    for i, lane in enumerate(lanes):
        numbers = {name: row[i] for name, row in rows.items()}
        check_finite(first_step, numbers, kept, lane.seed, lane.prefix)
    for i, lane in enumerate(lanes):
        for name, row in rows.items():
            lane.window.setdefault(name, []).extend(row[i])
    return mean({lane.seed: {name: row[i][-1] for name, row in rows.items()} for i, lane in enumerate(lanes)})


def active_alarms(lanes: tuple[Lane, ...]) -> tuple[str, ...]:
    """Names of active alarms, with the seed if there are several."""
    active = ((lane, name) for lane in lanes for name in lane.watch.active)
    return tuple(name if lane.index is None else f"{name} (seed {lane.seed})" for lane, name in active)


def stopping(lanes: tuple[Lane, ...]) -> str | None:
    """The reason to stop the run, or None. See `Watch.stopping`."""
    return next((f"{lane.prefix}{reason}" for lane in lanes if (reason := lane.watch.stopping())), None)


def tracked_runs(config, workdir: Path, lanes: tuple[Lane, ...], resumed_at: int | None) -> tuple[TrackedRun, ...]:
    """What trackers show: each seed, and the mean of several. See `TrackedRun`."""
    container = container_of(workdir)
    if container is not None:  # one of several seeds, evaluated by itself
        plain = configuration.to_dict(config)
        return (TrackedRun(container, workdir.name, config.seed, workdir, plain, resumed_at),)
    runs = [
        TrackedRun(
            workdir,
            "" if lane.index is None else lane.folder.name,
            lane.seed,
            lane.folder,
            configuration.to_dict(lane.config),
            resumed_at,
        )
        for lane in lanes
    ]
    if len(lanes) > 1:
        runs.append(TrackedRun(workdir, "mean", None, workdir, configuration.to_dict(config), resumed_at))
    return tuple(runs)


def make_folders(lanes: tuple[Lane, ...], facts: Mapping[str, Any]) -> None:
    """The folders of several seeds, each with its own config.json, which is updated when a run becomes longer.

    Args:
      facts: further contents of config.json.
    """
    for lane in lanes:
        if lane.index is None:
            continue
        path, settings = lane.folder / "config.json", configuration.to_dict(lane.config)
        if os.path.lexists(path):
            grow(path, settings, facts.get("data"))
            continue
        lane.folder.mkdir(exist_ok=True)
        content = {"config": settings, "lane_of": "..", **facts, "seeds": [lane.seed]}
        write_atomic(path, json.dumps(content, indent=1) + "\n")
