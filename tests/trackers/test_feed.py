"""Every tracker is given each step once, whatever was killed; one that fails is told of once."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgen.errors import UserError
from jaxgen.settings import checks, configuration, default
from jaxgen.trackers import base, feed
from jaxgen.trackers.base import TrackedRun, Tracker
from tests.helpers.event_files import shown

ROOT = Path(__file__).parents[2]
OWN = "own_trackers_package.tracker"


class Recorder(Tracker):
    """Keeps what it is given in a list that outlives it, as a store on a disk would."""

    def __init__(self, run, stores):
        self.rows, self.others = stores.setdefault(run.part, ([], []))
        self.held = max((step for step, *_ in self.rows), default=-1)

    def row(self, step, numbers, pictures):
        self.rows.append((step, dict(numbers), {name: np.asarray(picture)[0, 0] for name, picture in pictures.items()}))

    def final(self, step, results, timing, files, again):
        self.others.append(("final", step, results, timing, [path.name for path in files], again))

    def close(self, complete):
        self.others.append(("close", complete))


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """part -> (rows, other calls) of the tracker that `OWN` names: a user's own module, found by its import path."""
    package = tmp_path / "python" / "own_trackers_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tracker.py").write_text(
        "stores, make = {}, None\n\ndef open_tracker(run):\n    return make(run, stores)\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "python")
    module = __import__(OWN, fromlist=["stores"])
    monkeypatch.setattr(module, "make", Recorder)
    monkeypatch.setattr(module, "stores", {})
    return module.stores


def one(folder, resumed_at=0):
    return [TrackedRun(folder, "", 0, folder, {}, resumed_at)]


def write(folder, steps, pictures=()):
    """What a run leaves of steps: lines of metrics.jsonl, and pictures whose gray level is the step."""
    (folder / "samples").mkdir(exist_ok=True)
    with open(folder / "metrics.jsonl", "a") as file:
        file.writelines(json.dumps({"step": step, "seed": 0, "loss": step / 2}) + "\n" for step in steps)
    for step in pictures:
        Image.new("L", (4, 4), step).save(folder / "samples" / f"step_{step:07d}.png")


def go_on(folder, steps, resumed_at, sent=None):
    """A run that goes on from a step, and of whose steps the tracker is given the first `sent`."""
    trackers = feed.Trackers([OWN], one(folder, resumed_at))
    for step in steps[:sent]:
        trackers.numbers(step, {0: {"loss": step / 2}})
        if step % 20 == 0:
            trackers.picture(step, 0, "samples", Image.new("L", (4, 4), step))
        trackers.send()
    return trackers


@pytest.mark.parametrize("sent", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4])
def test_no_gap_and_no_double_whatever_the_tracker_kept(tmp_path, stores, sent, kept):
    """Killed after step 40, the last checkpoint is of step 20; the tracker lost what was not on its disk yet."""
    write(tmp_path, [10, 20, 30, 40], pictures=[20, 40])
    go_on(tmp_path, [10, 20, 30, 40], 0, sent)
    rows, _ = stores[""]
    del rows[kept:]
    go_on(tmp_path, [30, 40, 50, 60], 20).close(True)
    assert [(step, numbers["loss"]) for step, numbers, _ in rows] == [(s, s / 2) for s in (10, 20, 30, 40, 50, 60)]
    assert {step: pictures for step, _, pictures in rows if pictures} == {s: {"samples": s} for s in (20, 40, 60)}


def test_a_run_that_goes_on_with_a_new_tracker_shows_it_everything(tmp_path, stores):
    write(tmp_path, [10, 20, 30], pictures=[15, 30])
    (tmp_path / "samples" / "reconstructions_0000015.png").write_bytes(
        (tmp_path / "samples" / "step_0000015.png").read_bytes()
    )
    go_on(tmp_path, [30], 20)
    rows, _ = stores[""]
    assert [step for step, *_ in rows] == [10, 15, 20, 30]
    assert rows[1] == (15, {}, {"samples": 15, "reconstructions": 15})


def test_lines_of_a_step_are_one_row_and_half_a_row_is_not_sent(tmp_path, stores):
    trackers = feed.Trackers([OWN], one(tmp_path))
    trackers.numbers(10, {0: {"loss": 1.0}})
    trackers.picture(10, 0, "samples", Image.new("L", (4, 4), 9))
    trackers.numbers(10, {0: {"psnr": 20.0}})
    trackers.send()
    trackers.send()
    trackers.numbers(20, {0: {"loss": 2.0}})  # and then the run ends by an error: it will do the step again
    trackers.close()
    rows, others = stores[""]
    assert rows == [(10, {"loss": 1.0, "psnr": 20.0}, {"samples": 9})]
    assert others == [("close", False)]


def test_several_seeds_are_a_run_each_beside_their_mean(tmp_path, stores):
    runs = [TrackedRun(tmp_path, f"seed_{seed}", seed, tmp_path / f"seed_{seed}", {}, 10) for seed in (3, 4)]
    runs.append(TrackedRun(tmp_path, "mean", None, tmp_path, {}, 10))
    lines = [{"step": 10, "seed": seed, "loss": seed} for seed in (3, 4)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "evaluation.json").write_text("{}")
    trackers = feed.Trackers([OWN], runs)
    trackers.numbers(20, {3: {"loss": 1.0}, 4: {"loss": 4.0}})
    trackers.picture(20, 4, "samples", Image.new("L", (4, 4), 7))
    trackers.send()
    evaluation = {"_run": {"timing": {"step_ms": 3, "device_peak_memory_mb": None}}}
    trackers.final(20, None, evaluation, {"psnr": 20.0}, False)
    trackers.close(True)
    assert stores["seed_3"][0] == [(10, {"loss": 3}, {}), (20, {"loss": 1.0}, {})]
    assert stores["seed_4"][0] == [(10, {"loss": 4}, {}), (20, {"loss": 4.0}, {"samples": 7})]
    assert stores["mean"][0] == [(10, {"loss": 3.5}, {}), (20, {"loss": 2.5}, {})]
    assert stores["mean"][1][0] == ("final", 20, {"psnr": 20.0}, {"step_ms": 3.0}, ["evaluation.json"], False)
    assert [others[-1] for _, others in stores.values()] == [("close", True)] * 3
    assert {run.name for run in runs} == {f"{tmp_path.name}/{part}" for part in ("seed_3", "seed_4", "mean")}


@pytest.mark.parametrize("where", ["open_tracker", "row", "final", "close"])
def test_a_tracker_that_fails_is_told_of_once_and_the_others_go_on(tmp_path, stores, monkeypatch, caplog, where):
    module = __import__(OWN, fromlist=["make"])

    def fail(*_):
        raise OSError("no route\nto host")

    broken = type("Broken", (Recorder,), {"__init__" if where == "open_tracker" else where: fail})
    monkeypatch.setattr(module, "make", broken)
    with caplog.at_level(logging.WARNING, "jaxgen"):
        trackers = feed.Trackers([OWN, "tensorboard"], one(tmp_path))
        for step in (10, 20):
            trackers.numbers(step, {0: {"loss": 1.0}})
            trackers.send()
        trackers.final(20, 0, {"_run": {"timing": {}}}, {"psnr": 1.0}, False)
        trackers.close(True)
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"tracker {OWN} failed, and the run goes on without it: OSError: no route to host"]
    assert shown(tmp_path / "tensorboard")["loss"] == [(10, 1.0), (20, 1.0)]
    assert shown(tmp_path / "tensorboard")["final/psnr"] == [(20, 1.0)]


def test_a_missing_package_and_a_misspelt_name_are_refused(monkeypatch):
    with pytest.raises(UserError, match=r"config\.trackers='wandbb' is unknown: did you mean 'wandb'"):
        base.check(["tensorboard", "wandbb"])
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None if name == "wandb" else object())
    base.check(["tensorboard", "mlflow"])
    with pytest.raises(
        UserError, match=r"config\.trackers names 'wandb', .* not installed: pip install 'jaxgen\[wandb\]'"
    ):
        base.check(["tensorboard", "wandb"])


def test_a_list_in_one_name_is_refused():
    config = default.get_config()
    config.trackers = ("tensorboard,wandb",)
    with pytest.raises(UserError, match=r"config\.trackers='tensorboard,wandb' is one name"):
        checks.check(config)


def test_a_run_of_before_there_were_trackers_goes_on_with_tensorboard():
    old = configuration.to_dict(default.get_config())
    del old["trackers"]
    config = configuration.from_dict(old)
    assert config.trackers == ("tensorboard",)
    new = configuration.to_dict(config) | {"trackers": ["wandb"]}
    assert configuration.differences(old, new) == {}


def test_an_identity_stays_and_differs_for_each_part_and_run(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    runs = [TrackedRun(tmp_path / name, part, 0, tmp_path, {}, 0) for name in "ab" for part in ("", "seed_1")]
    first = [base.identity(run) for run in runs]
    assert len(set(first)) == 4
    assert [base.identity(run) for run in runs] == first


def test_the_tracker_of_the_page_works(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "guides" / "trackers.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    package = tmp_path / "page_example"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "text_file.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    base.check(["page_example.text_file"])
    for steps, resumed_at in (([10, 20, 30], 0), ([20, 30, 40], 10)):
        trackers = feed.Trackers(["page_example.text_file"], one(tmp_path, resumed_at))
        for step in steps:
            trackers.numbers(step, {0: {"loss": step / 2}})
            trackers.send()
        trackers.final(40, 0, {"_run": {"timing": {}}}, {"psnr": 1.0}, False)
        trackers.close(True)
    lines = (tmp_path / "losses.txt").read_text().splitlines()
    assert lines == [f"{step} {{'loss': {step / 2}}}" for step in (10, 20, 30, 40)]
