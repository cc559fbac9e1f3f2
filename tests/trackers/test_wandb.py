"""Weights & Biases, offline: what a run leaves on the disk is read to the step, and a run goes on behind it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgen.trackers import wandb as tracker

pytest.importorskip("wandb", reason="the extra wandb is not installed")
# Warnings of the package's own are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parents[2]
# A run in a process of its own: the package starts another one, which ends with it.
WRITE = """
import sys
from pathlib import Path
from PIL import Image
from jaxgen.trackers.base import TrackedRun
from jaxgen.trackers.wandb import open_tracker
folder, first, last, ends = Path(sys.argv[1]), *map(int, sys.argv[2:])
tracker = open_tracker(TrackedRun(folder, "seed_1", 1, folder, {"model": {"width": 8}, "steps": 5}, 0))
print("held", tracker.held, flush=True)
for step in range(first, last):
    tracker.row(step, {"loss": step / 7, "text" * 30: 1.0}, {"samples": Image.new("L", (4, 4))} if step == 3 else {})
if ends:
    tracker.final(last, {"psnr": 20.5}, {"step_ms": 3.0}, [folder / "evaluation.json"], False)
    tracker.close(True)
else:
    import os
    os._exit(1)
"""


def write(folder, first, last, ends=True):
    """Logs steps, and gives the one that the tracker said it held."""
    environment = {"WANDB_MODE": "offline", "PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", WRITE, folder, first, last, int(ends)]
    ended = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == (0 if ends else 1), ended.stderr
    return int(ended.stdout.split("held ")[1].split()[0])


def test_a_run_is_read_whole_and_goes_on_behind_its_last_step(tmp_path):
    from wandb.proto.wandb_internal_pb2 import Record

    (tmp_path / "evaluation.json").write_text('{"psnr": 1}')
    assert write(tmp_path, 0, 500) == -1
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert path.stat().st_size > 4 * 32_768  # records lie across the ends of blocks
    kinds = {}
    for record in map(Record.FromString, tracker.records(path)):
        kinds.setdefault(record.WhichOneof("record_type"), []).append(record)
    rows = []
    for record in kinds["history"]:
        items = {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        rows.append((items["_step"], items["loss"], items.get("samples._type")))
    assert rows == [(step, step / 7, "image-file" if step == 3 else None) for step in range(500)]
    (run,) = (record.run for record in kinds["run"])
    own = json.loads((tmp_path / "trackers.json").read_text())["id"]
    assert (run.run_id, run.run_group, run.job_type) == (f"{own}-seed_1", tmp_path.name, "seed")
    assert run.display_name == f"{tmp_path.name}/seed_1"
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["model"] == {"width": 8}
    summary = [item for record in kinds["summary"] for item in record.summary.update]
    final = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in summary}
    assert (final["final/psnr"], final["timing/step_ms"]) == (20.5, 3.0)
    assert json.loads((path.parent / "files" / "evaluation.json").read_text()) == {"psnr": 1}
    assert tracker.last_step_on_disk(tmp_path, f"{own}-seed_1") == 499
    assert tracker.last_step_on_disk(tmp_path, own) == -1
    assert write(tmp_path, 500, 501) == 499


def test_a_file_that_a_kill_cut_short_is_read_up_to_there(tmp_path):
    (tmp_path / "evaluation.json").write_text("{}")
    write(tmp_path, 0, 30)
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    whole = list(tracker.records(path))
    data = path.read_bytes()
    for length in (0, 3, 7, 9, 500, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        part = list(tracker.records(path))
        assert part == whole[: len(part)]
        assert len(part) < len(whole)
    path.write_bytes(data[: len(data) // 2] + bytes(5_000))  # a disk that lost what it was told
    assert list(tracker.records(path))[:5] == whole[:5]


def test_what_a_killed_run_had_not_written_is_asked_for_again(tmp_path):
    held = write(tmp_path, 0, 5, ends=False)
    assert held == -1
    own = json.loads((tmp_path / "trackers.json").read_text())["id"]
    kept = tracker.last_step_on_disk(tmp_path, f"{own}-seed_1")
    assert kept < 4  # the package keeps small files in memory: this run is lost, or its tail
    (tmp_path / "evaluation.json").write_text("{}")
    assert write(tmp_path, kept + 1, 6) == kept
    assert tracker.last_step_on_disk(tmp_path, f"{own}-seed_1") == 5
