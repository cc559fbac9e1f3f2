"""The loop's cadences: lines, pictures, evaluations during training, the best checkpoint."""

import itertools
import json
import types

import numpy as np
import pytest
from PIL import Image

from jaxgen.commands import train
from jaxgen.errors import UserError
from jaxgen.runs import restoring, session
from jaxgen.training import run as training_run
from jaxgen.training.run import Clock, is_over


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def vae_run(tiny_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop") / "run"
    config = tiny_config("vae")
    config.steps = 60
    config.log_every, config.sample_every = 20, 30
    config.checkpoint_every = config.eval_every = 20
    config.keep_checkpoints = 1
    config.best_metric = "psnr"
    config.evaluation.metrics, config.evaluation.metrics_in_training = ("psnr", "bits_per_dim"), ("psnr",)
    config.evaluation.num_samples_in_training = 16
    config.compilation_cache = ""
    folder.mkdir()
    (folder / "failure.json").write_text("{}")  # of a training that stopped and goes on
    train.train(config, folder)
    return config, folder


@pytest.mark.full
def test_evaluations_during_training_rank_the_checkpoints(vae_run):
    config, folder = vae_run
    measured = {row["step"]: row["psnr"] for row in rows(folder) if "psnr" in row}
    assert not any("bits_per_dim" in row for row in rows(folder))  # is none of evaluation.metrics_in_training
    assert sorted(measured) == [20, 40]  # the last step is evaluated in full, into evaluation.json
    best = max(measured, key=measured.get)
    kept = sorted(int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdigit())
    assert kept == sorted({best, 60})
    _, step = restoring.restore(session.open_session(config), folder, "best")
    assert step == best
    final = json.loads((folder / "evaluation.json").read_text())
    assert final["psnr"]["n_fake"] == 16
    assert final["bits_per_dim"]["value"] > 0
    assert final["_run"]["step"] == 60
    with pytest.raises(UserError, match="no checkpoint of step 7"):
        restoring.restore(session.open_session(config), folder, "7")


def test_cadences(vae_run):
    _, folder = vae_run
    assert [row["step"] for row in rows(folder) if "loss" in row] == [20, 40, 60]
    assert {row["seed"] for row in rows(folder)} == {0}
    assert not (folder / "failure.json").exists()
    names = sorted(path.name for path in (folder / "samples").iterdir())
    assert names == [
        "interpolation.png",
        "reconstructions_0000030.png",
        "reconstructions_0000060.png",
        "step_0000030.png",
        "step_0000060.png",
        "traversal.png",
    ]
    with Image.open(folder / "samples" / "step_0000060.png") as picture:
        assert picture.size == (8 * 50 + 2, 8 * 50 + 2)
        assert np.asarray(picture).std() > 5  # something is drawn
    seconds = json.loads((folder / "timing.json").read_text())
    for kind in ("compile", "step", "data", "evaluation", "samples", "checkpoint"):
        assert seconds[f"{kind}_seconds"] > 0
    assert seconds["flops_per_step"] > 0
    assert seconds["host_peak_memory_mb"] > 0


@pytest.mark.full
def test_a_line_is_the_mean_since_the_last_line(tiny_config, tmp_path):
    lines = {}
    for every in (5, 10):
        config = tiny_config("vae")
        config.log_every = every
        config.compilation_cache = ""
        train.train(config, tmp_path / str(every))
        lines[every] = {row["step"]: row["loss"] for row in rows(tmp_path / str(every))}
    assert lines[10][20] == pytest.approx((lines[5][15] + lines[5][20]) / 2, rel=1e-12)


@pytest.mark.full
def test_a_longer_run_goes_on_from_the_shorter_one(tiny_config, tmp_path):
    config = tiny_config("gan")
    config.compilation_cache = ""
    train.train(config, tmp_path / "a")
    config.steps = 40
    train.train(config, tmp_path / "a")
    whole = tiny_config("gan")
    whole.compilation_cache = ""
    whole.steps = 40
    train.train(whole, tmp_path / "b")
    assert (tmp_path / "a" / "metrics.jsonl").read_bytes() == (tmp_path / "b" / "metrics.jsonl").read_bytes()


@pytest.mark.full
def test_a_run_goes_on_with_other_cadences(tiny_config, tmp_path):
    def config(**changes):
        config = tiny_config("vae")
        config.evaluation.metrics = config.evaluation.metrics_in_training = ("psnr",)
        config.evaluation.num_samples_in_training = 16
        config.update({"compilation_cache": "", "log_every": 20, **changes})
        return config

    train.train(config(steps=20), tmp_path / "a")
    train.train(config(steps=60, sample_every=40, checkpoint_every=40, eval_every=40), tmp_path / "a")
    train.train(config(steps=60), tmp_path / "b")
    assert checksums(tmp_path / "a", 60) == checksums(tmp_path / "b", 60)
    assert [row["step"] for row in rows(tmp_path / "a") if "psnr" in row] == [40]
    drawn = {path.name for path in (tmp_path / "a" / "samples").glob("step_*")}
    assert drawn == {f"step_{step:07d}.png" for step in (10, 20, 40, 60)}


def checksums(folder, step):
    return json.loads((folder / "checkpoints" / str(step) / "meta" / "metadata").read_text())["checksums"]


@pytest.mark.parametrize(
    ("step", "seconds", "under_way", "over"),
    [
        (0, 0.0, 0, False),
        (5, 14.0, 0, False),
        (10, 0.0, 10, True),  # of the first dispatch nothing is known: its end is waited for
        (65, 182.0, 0, False),  # one more ends at 196
        (70, 196.0, 0, True),  # half of a dispatch of 14 s goes beyond
        (70, 182.0, 5, True),
        (65, 168.0, 5, False),
    ],
)
def test_time_ends_a_run_at_the_dispatch_nearest_to_its_budget(tiny_config, step, seconds, under_way, over):
    config = tiny_config("vae")
    config.steps, config.steps_per_dispatch, config.budget.seconds = 10_000, 5, 200.0
    clock = Clock()
    clock.seconds["step"] = seconds
    assert is_over(config, step, clock, under_way) is over


@pytest.mark.full
def test_time_ends_a_run_with_all_that_an_end_has(tiny_config, tmp_path, monkeypatch):
    """With a clock that ticks once when it is looked at: every block of work takes a second."""
    monkeypatch.setattr(training_run, "time", types.SimpleNamespace(perf_counter=itertools.count().__next__))
    config = tiny_config("vae")
    config.compilation_cache = ""
    config.steps, config.budget.seconds = 10_000, 7.0
    folder = tmp_path / "timed"
    train.train(config, folder)
    # 5 steps a second, and each line of metrics.jsonl (every 10 steps) waits for one second more.
    assert [row["step"] for row in rows(folder)] == [10, 20, 25]
    assert json.loads((folder / "evaluation.json").read_text())["_run"]["step"] == 25
    assert sorted(path.name for path in (folder / "samples").glob("step_*"))[-1] == "step_0000025.png"
    assert json.loads((folder / "timing.json").read_text())["step_seconds"] == 8
    ends = [checksums(folder, 25)]
    train.train(config, folder)  # complete: nothing is trained
    assert [row["step"] for row in rows(folder)] == [10, 20, 25]
    assert not (folder / "checkpoints" / "30").exists()
    config.budget.seconds = 12.0
    train.train(config, folder)
    assert [row["step"] for row in rows(folder)] == [10, 20, 25, 30, 40]
    ends.append(checksums(folder, 40))
    plain = tiny_config("vae")
    plain.compilation_cache = ""
    for step, end in zip((25, 40), ends, strict=True):
        plain.steps = step
        train.train(plain, tmp_path / "plain")
        assert checksums(tmp_path / "plain", step) == end  # the run of so many steps
    config.budget.seconds = 6.0
    with pytest.raises(UserError, match=r"config.budget.seconds: 12.0 there and 6.0 now"):
        train.train(config, folder)
