"""Runs of several seeds from end to end: files of each seed as of its solo run, killed and resumed, every mode."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgen.commands import evaluate, sample, train
from jaxgen.errors import UserError
from jaxgen.files import evaluation_file
from jaxgen.runs import restoring, session, sources
from jaxgen.runs.sources import Options
from jaxgen.settings import run_config
from jaxgen.training import loop

SEEDS = (3, 4)


class Killed(Exception):
    """In the place of kill -9, at a moment when nothing is being written."""


@pytest.fixture(scope="module")
def several(tiny_config):
    """The config of two seeds of a GAN of points; `several(4)` that of a solo run."""

    def make(seed=None):
        config = tiny_config("gan")
        config.data.update({"name": "gaussian_ring", "num_points": 512, "limit": 0})
        config.model.update({"name": "point_gan", "width": 8, "hidden_layers": 1, "latent_dim": 4})
        config.recipe.ema_decay = 0.9
        config.sample_every, config.histogram_every, config.eval_every = 20, 0, 10
        config.evaluation.update({"metrics": ("modes",), "num_samples": 64, "batch_size": 32, "pictures": False})
        config.evaluation.num_samples_in_training = 32
        config.compilation_cache = ""
        config.seed = SEEDS[0] if seed is None else seed
        config.num_seeds = len(SEEDS) if seed is None else 1
        return config

    return make


@pytest.fixture(scope="module")
def folders(several, tmp_path_factory):
    """Work directories: "whole", "killed" (after step 15, then gone on to the end), and of the solo run of seed 4."""
    folder = tmp_path_factory.mktemp("seeds")
    train.train(several(), folder / "whole")
    train.train(several(SEEDS[1]), folder / "solo")

    def kill(run, step):
        if step == 15:
            run.checkpoints.close()
            raise Killed
        return False

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "_is_over_everywhere", kill)
        with pytest.raises(Killed):
            train.train(several(), folder / "killed")
    assert not (folder / "killed" / "checkpoints" / "20").exists()
    assert not (folder / "killed" / "evaluation.json").exists()
    train.train(several(), folder / "killed")
    return folder


def read(path: Path):
    return json.loads(path.read_text())


def rows(folder: Path, seed: int):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["seed"] == seed]


def without_times(evaluation):
    found = {key: value for key, value in evaluation.items() if key != "_run"}
    return {key: {k: v for k, v in value.items() if not k.startswith("seconds")} for key, value in found.items()}


def test_the_files_of_a_seed_are_those_of_its_solo_run(folders):
    lane, solo = folders / "whole" / "seed_4", folders / "solo"
    assert rows(folders / "whole", 4) == rows(solo, 4)
    assert len(rows(solo, 4)) == 3  # steps 10 and 20, and the evaluation at step 10
    pictures = sorted(path.relative_to(solo) for path in solo.glob("samples/*.png"))
    assert pictures == sorted(path.relative_to(lane) for path in lane.glob("samples/*.png"))
    for name in (*pictures, "alarms.json"):
        assert (lane / name).read_bytes() == (solo / name).read_bytes()
    mine, alone = read(lane / "evaluation.json"), read(solo / "evaluation.json")
    assert without_times(mine) == without_times(alone)
    for key in set(alone["_run"]) - {"timing"}:
        assert mine["_run"][key] == alone["_run"][key], key
    assert read(lane / "config.json")["config"] == read(solo / "config.json")["config"]
    assert mine["_run"]["timing"]["lanes"] == 2


def test_killed_and_resumed_it_ends_in_the_same_bytes(folders):
    whole, killed = folders / "whole", folders / "killed"
    metadata = Path("checkpoints") / "20" / "meta" / "metadata"
    assert read(killed / metadata)["checksums"] == read(whole / metadata)["checksums"]
    assert read(killed / metadata)["alarms"].keys() == {"3", "4"}
    for name in ("metrics.jsonl", *(f"seed_{s}/{file}" for s in SEEDS for file in ("alarms.json", "config.json"))):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    for picture in whole.glob("seed_*/samples/*.png"):
        assert (killed / picture.relative_to(whole)).read_bytes() == picture.read_bytes()


def test_the_seeds_together(folders):
    whole = folders / "whole"
    together = read(whole / "evaluation.json")
    values = {str(s): read(whole / f"seed_{s}" / "evaluation.json")["modes"]["value"] for s in SEEDS}
    assert together["modes"]["seeds"] == values
    assert together["modes"]["value"] == np.mean(list(values.values()))
    run = together["_run"]
    assert (run["num_seeds"], run["seeds"], run["step"], run["config"]["num_seeds"]) == (2, [3, 4], 20, 2)
    assert run["timing"]["images_per_s"] == pytest.approx(2 * 16 * 1000 / run["timing"]["step_ms"], rel=0.01)
    names = {path.parent.name for path in whole.glob("tensorboard/*/events*")}
    assert names == {"seed_3", "seed_4", "mean"}


@pytest.mark.full
def test_trained_further_the_evaluations_step_aside_before_anything_can_stop_it(
    folders, several, tmp_path, monkeypatch
):
    """Launchers take evaluation.json for the end of the run."""
    whole, folder = folders / "whole", tmp_path / "more"
    shutil.copytree(whole, folder)
    config = several()
    config.steps = 40
    places = ["", *(f"seed_{s}" for s in SEEDS)]

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(session, "compile_steps", kill)
        with pytest.raises(Killed):
            train.train(config, folder)
    for place in places:
        assert not (folder / place / "evaluation.json").exists()
        aside = (folder / place / "evaluation_step_20.json").read_bytes()
        assert aside == (whole / place / "evaluation.json").read_bytes()
    assert (folder / "log.txt").read_text().count("evaluation.json is of an earlier step: now evaluation_step_20") == 3
    train.train(config, folder)
    for place in places:
        assert read(folder / place / "evaluation.json")["_run"]["step"] == 40
        assert read(folder / place / "evaluation_step_20.json")["_run"]["step"] == 20
    before = (folder / "evaluation.json").read_bytes()
    train.train(config, folder)  # complete: nothing steps aside
    assert read(folder / "evaluation.json")["modes"] == json.loads(before)["modes"]
    assert not (folder / "evaluation_step_40.json").exists()


def test_an_evaluation_that_cannot_be_read_steps_aside_too(tmp_path):
    evaluation_file.set_aside(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "evaluation.json").write_text("{")
    evaluation_file.set_aside(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation_step_unknown.json"]


def test_a_seed_is_a_run_of_its_own_for_everything_that_reads_runs(folders):
    lane, solo = folders / "whole" / "seed_4", folders / "solo"
    for folder in (lane, solo):
        sample.sample(run_config.read(folder), folder, "latest")
    assert (lane / "samples" / "points.csv").read_bytes() == (solo / "samples" / "points.csv").read_bytes()
    mine, alone = restoring.load_arrays(lane), restoring.load_arrays(solo)
    assert mine.step == alone.step == 20
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (mine.players, alone.players)), strict=True))
    with pytest.raises(UserError, match=r"is one of several seeds: train them all, --workdir=.*whole$"):
        train.train(run_config.read(lane), lane)
    with pytest.raises(UserError, match=r"whole holds 2 seeds. Name one of them, such as .*whole/seed_3$"):
        restoring.load_arrays(folders / "whole")
    with pytest.raises(UserError, match=r"run:.*whole holds 2 seeds. Name one of them, such as run:.*seed_3$"):
        sources.open_run(folders / "whole", Options(), "--fake")


@pytest.mark.full
def test_evaluated_again_with_other_settings_and_sampled_all_seeds_change(folders, several):
    config, folder = several(), folders / "killed"
    config.evaluation.num_samples = 96
    evaluate.evaluate(config, folder, "10")
    assert [read(folder / f"seed_{s}" / "evaluation.json")["modes"]["n_fake"] for s in SEEDS] == [96, 96]
    together = read(folder / "evaluation.json")
    assert (together["modes"]["n_fake"], together["_run"]["step"]) == (96, 10)
    lane = folder / "seed_3"
    evaluate.evaluate(run_config.read(lane), lane, "10")
    again = read(lane / "evaluation.json")
    assert again["modes"]["n_fake"] == 64
    assert (again["_run"]["timing"]["lanes"], again["_run"]["seeds"]) == (2, [3])
    sample.sample(config, folder, "latest")
    written = [(folder / f"seed_{s}" / "samples" / "points.csv").read_bytes() for s in SEEDS]
    assert written[0] != written[1]
