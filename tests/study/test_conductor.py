"""Studies of runs that only write files: what is done, in what order, what a failure, a change and a kill lead to."""

import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.settings import default, default_study
from jaxgen.study import conductor, definition, run_process

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
ROOT = Path(__file__).parents[2]


def small_study(**changes):
    """Two entries, two seeds, four steps; what their experiment changes is changed here, so that a fake run sees it."""
    study = default_study.get_config()
    study.seeds = (0, 1)
    study.steps = 4
    study.model.latent_dim = 8
    study.steps_per_dispatch = study.log_every = study.checkpoint_every = study.sample_every = 1
    study.evaluation.update({"metrics": ("psnr",), "num_samples": 9, "allow_few_samples": True})
    defaults = default.get_config()
    study.evaluation.extractor = defaults.evaluation.extractor
    study.batch_size, study.data.resize = defaults.batch_size, defaults.data.resize
    study.model.output_bias, study.recipe.diff_augment = defaults.model.output_bias, defaults.recipe.diff_augment
    study.recipe.ema_decay = defaults.recipe.ema_decay
    for player in ("generator", "discriminator"):
        study.optimizers[player].learning_rate = defaults.optimizers[player].learning_rate
    default_study.add(study, "gan", "dcgan_digits").model.width = 8
    default_study.add(study, "wide", "dcgan_digits").model.width = 16
    study.update(changes)
    return study


@pytest.fixture
def do(tmp_path, monkeypatch):
    """`do(study, mode, plan)`: the study in tmp_path/"study" by `fake_run`; returns study.json. `do.reports` counts."""

    def build(directories, out):
        assert list(directories) == [out.parent]
        run.reports += 1
        return out / "index.html"

    monkeypatch.setattr(conductor.report, "build", build)

    def run(study=None, mode="train", plan=None, moment=0.0, checkpoint="latest", fails=0):
        (tmp_path / "plan.json").write_text(json.dumps(plan or {}))
        found = definition.read(study or small_study(), "configs/study_small.py")
        with pytest.raises(UserError, match=f"^{fails} of") if fails else contextlib.nullcontext():
            conductor.conduct(found, tmp_path / "study", mode, checkpoint, fake(tmp_path, moment))
        return record(tmp_path / "study")

    run.reports = 0
    return run


def fake(folder, moment):
    return [sys.executable, str(Path(__file__).with_name("fake_run.py")), folder / "plan.json", str(moment), str(ROOT)]


def record(folder):
    return json.loads((folder / "study.json").read_text())


def started(tmp_path):
    return [line.split()[0] for line in (tmp_path / "study" / "started").read_text().splitlines()]


def values(folder):
    files = sorted(folder.glob("runs/*/seed_*/evaluation.json"))
    return {str(path.relative_to(folder)): json.loads(path.read_text())["psnr"]["value"] for path in files}


def test_all_runs_are_done_once_and_reported(do, tmp_path):
    found = do()
    assert started(tmp_path) == ["gan/seed_0", "wide/seed_0", "gan/seed_1", "wide/seed_1"]
    assert [(entry["name"], entry["status"], entry["attempts"]) for entry in found["entries"]] == [
        ("gan", "done", 2),
        ("wide", "done", 2),
    ]
    assert found["entries"][0]["workdirs"] == ["runs/gan/seed_0", "runs/gan/seed_1"]
    assert found["entries"][0]["seconds"] > 0
    assert values(tmp_path / "study")["runs/gan/seed_1/evaluation.json"] == 1 + 0.08 + 10
    created = found["created"]
    found = do()
    assert len(started(tmp_path)) == 4  # nothing is left to do
    assert (found["created"], do.reports) == (created, 2)
    do(small_study(order="entries", seeds=(0, 1, 2)))
    assert started(tmp_path)[4:] == ["gan/seed_2", "wide/seed_2"]  # what was added


BESIDE = pytest.mark.skipif(run_process.shares(2)[1] != "", reason=f"no two runs at a time: {run_process.shares(2)[1]}")


def cores_of(folder):
    return [tuple(json.loads(path.read_text())) for path in sorted(folder.glob("runs/*/*/cores"))]


@pytest.mark.full
@BESIDE
def test_runs_beside_each_other_have_their_own_cores(do, tmp_path, capsys):
    before = os.sched_getaffinity(0)
    found = do(
        small_study(runs_at_once=2), plan={"wide/seed_0": ["fail"], "gan/seed_1": ["crash"]}, moment=0.05, fails=2
    )
    assert os.sched_getaffinity(0) == before
    said = capsys.readouterr().err
    assert "4 to train. 2 at a time, each on its own cores" in said
    assert said.index("run 2 of 4, wide seed 0 ...") < said.index("run 1 of 4, gan seed 0: done")
    assert [[run["status"] for run in entry["runs"]] for entry in found["entries"]] == [
        ["done", "failed"],
        ["failed", "done"],
    ]
    assert [[run["status"] for run in entry["runs"]] for entry in do()["entries"]] == [["done", "done"]] * 2
    shares = set(cores_of(tmp_path / "study"))
    first, second = run_process.shares(2)[0]
    assert shares <= {tuple(sorted(first)), tuple(sorted(second)), tuple(sorted(before))}
    assert tuple(sorted(first)) in shares
    assert not first & second


@pytest.mark.full
@BESIDE
def test_two_at_a_time_halve_the_time_that_is_left(do, tmp_path, capsys, monkeypatch):
    do()
    monkeypatch.setattr(conductor, "time_left", lambda left, record: 100.0 * len(left))
    do(small_study(seeds=(0, 1, 2), runs_at_once=2))
    said = capsys.readouterr().err
    assert "gan seed 2 ... (about 0:01:40 left for all)" in said  # two runs of 100 s
    assert "wide seed 2 ... (about 0:01:40 left for all)" in said


def test_cores_are_shared_out_evenly(monkeypatch):
    monkeypatch.setattr(run_process, "_ACCELERATORS", ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 5, 8}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None, raising=False)
    assert run_process.shares(1) == ([None], "")
    assert run_process.shares(2) == ([{0, 1}, {2, 5, 8}], "")
    assert run_process.shares(9) == ([{0}, {1}, {2}, {5}, {8}], "5 cores of the CPU")


def test_an_accelerator_has_one_run_at_a_time(do, tmp_path, monkeypatch, capsys):
    (tmp_path / "accel0").touch()
    monkeypatch.setattr(run_process, "_ACCELERATORS", (str(tmp_path / "accel0"),))
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    do(small_study(runs_at_once=2))
    assert "runs at a time: 1, not 2. Reason: each run takes the whole accelerator" in capsys.readouterr().err
    assert started(tmp_path) == ["gan/seed_0", "wide/seed_0", "gan/seed_1", "wide/seed_1"]


def test_a_failed_run_stops_nothing_and_is_tried_again(do, tmp_path):
    plan = {"gan/seed_0": ["fail", "train"], "wide/seed_0": ["crash", "fail"]}
    with pytest.raises(UserError) as raised:
        do(plan=plan)
    line = str(raised.value)
    assert line.startswith("2 of 4 runs failed. gan seed 0: loss_g became nan at step 7 (exit code 2), and wide seed 0")
    assert do.reports == 1
    gan, wide = record(tmp_path / "study")["entries"]
    assert (gan["status"], gan["message"]) == ("failed", "loss_g became nan at step 7")
    assert [run["status"] for run in wide["runs"]] == ["failed", "done"]
    assert wide["runs"][0]["exit_code"] == -signal.SIGKILL
    assert wide["message"].startswith("killed by SIGKILL (out of memory?)")
    assert "loss_g became nan" in (tmp_path / "study" / "logs" / "gan_seed_0.log").read_text()
    with pytest.raises(UserError, match=r"1 of 4 runs failed\. wide seed 0"):
        do(plan=plan)
    assert started(tmp_path)[4:] == ["gan/seed_0", "wide/seed_0"]
    gan, wide = do()["entries"]
    assert (gan["status"], gan["message"], gan["attempts"]) == ("done", "", 3)
    assert (wide["status"], wide["message"], wide["attempts"]) == ("done", "", 4)


def test_a_run_that_someone_stops_is_no_failure_but_told(do, tmp_path):
    with pytest.raises(UserError, match=r"1 of 4 runs failed\. gan seed 1: it was stopped before its end"):
        do(plan={"gan/seed_1": ["stop"]})
    assert record(tmp_path / "study")["entries"][0]["status"] == "waiting"
    assert do()["entries"][0]["status"] == "done"
    assert values(tmp_path / "study")["runs/gan/seed_1/evaluation.json"] == 1 + 0.08 + 10


def test_an_entry_that_changed_is_refused_by_name_or_done_anew(do, tmp_path):
    do()
    other = small_study()
    other.entries.wide.model.width = 32
    with pytest.raises(UserError) as raised:
        do(other)
    line = str(raised.value)
    for word in ("the entry 'wide' has changed", "config.model.width: 16 there and 32 now", "--config.redo=wide"):
        assert word in line
    assert (len(started(tmp_path)), do.reports) == (4, 1)
    other.redo = ("wide",)
    for _ in range(2):  # what is done anew is so once
        do(other)
        assert started(tmp_path)[4:] == ["wide/seed_0", "wide/seed_1"]
    assert values(tmp_path / "study")["runs/wide/seed_0/evaluation.json"] == 0.32 + 10
    longer = small_study(steps=6, redo=("wide", "gan"))
    longer.entries.wide.model.width = 32
    do(longer)  # no change of what was trained: all go on
    assert values(tmp_path / "study")["runs/wide/seed_0/evaluation.json"] == 0.32 + 21


def test_lanes_and_single_runs_do_not_mix(do, tmp_path):
    do(small_study(seeds=(0,)))
    together = small_study(lanes=True)
    with pytest.raises(
        UserError, match=r"entry 'gan' has changed .*config.lanes: False there and True now \(and so have w"
    ):
        do(together)
    together.redo = ("gan", "wide")
    found = do(together)
    assert started(tmp_path)[2:] == ["runs/gan", "runs/wide"]
    assert found["entries"][0]["workdirs"] == ["runs/gan"]
    assert found["entries"][0]["runs"][0]["seeds"] == [0, 1]
    assert not (tmp_path / "study" / "runs" / "gan" / "seed_0").exists()
    with pytest.raises(UserError, match=r"config.lanes: True there and False now"):
        do()


def test_an_entry_that_left_keeps_its_runs(do, tmp_path, capsys):
    do()
    smaller = small_study()
    with smaller.unlocked():
        del smaller.entries["wide"]
    found = do(smaller)
    assert [(entry["name"], entry.get("defined", True)) for entry in found["entries"]] == [
        ("gan", True),
        ("wide", False),
    ]
    assert "wide is no longer in the study" in capsys.readouterr().err
    assert do()["entries"][1]["attempts"] == 2  # and comes back as it was


def test_evaluate_evaluates_again_and_trains_nothing(do, tmp_path, capsys):
    study = small_study()
    do(plan={}, study=small_study(seeds=(0,)))
    study.evaluation.metrics = ("psnr", "ssim")
    do(study, mode="evaluate")
    assert "gan seed 1: not trained yet" in capsys.readouterr().err
    lines = (tmp_path / "study" / "started").read_text().splitlines()
    assert lines[2:] == ["gan/seed_0 evaluate", "wide/seed_0 evaluate"]
    assert "ssim" in json.loads((tmp_path / "study" / "runs" / "gan" / "seed_0" / "evaluation.json").read_text())
    do(study, mode="evaluate")  # of these settings already
    assert len(started(tmp_path)) == 4
    do(study, mode="evaluate", checkpoint="best")
    assert len(started(tmp_path)) == 6
    assert [run["status"] for run in do(study)["entries"][0]["runs"]] == ["done", "done"]
    assert started(tmp_path)[6:] == ["gan/seed_1", "wide/seed_1"]


def test_other_modes_and_other_folders_are_refused(do, tmp_path):
    with pytest.raises(UserError, match=r"--mode=sample is for single runs, but study_small is a study .*gan/seed_0"):
        do(mode="sample")
    assert not (tmp_path / "study").exists()
    do(small_study(seeds=(0,)))
    with workdir.lock(tmp_path / "study"), pytest.raises(UserError, match=f"in use by another run .*{os.getpid()}"):
        do()
    content = tmp_path / "study" / "study.json"
    content.write_text(content.read_text().replace("study_small", "study_large"))
    with pytest.raises(UserError, match="belongs to the study 'study_large'"):
        do()
    content.write_text("{")
    with pytest.raises(UserError, match=r"study.json is unreadable"):
        do()
    content.unlink()
    do(small_study(seeds=(0,)))  # the files of the runs tell that they are done
    assert len(started(tmp_path)) == 2
    found = definition.read(small_study(), "configs/study_small.py")
    with pytest.raises(UserError, match="a single run and no study"):
        conductor.conduct(found, tmp_path / "study" / "runs" / "gan" / "seed_0", "train", "latest", ["false"])


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at_once", [1, pytest.param(2, marks=BESIDE)])
def test_a_signal_reaches_the_runs_which_save(do, tmp_path, capsys, number, at_once):
    names = ("gan", "wide")[:at_once]
    folders = [tmp_path / "study" / "runs" / name / "seed_0" for name in names]

    def interrupt():
        while not all((folder / "checkpoints" / "3").exists() for folder in folders):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    found = do(small_study(steps=400, runs_at_once=at_once), moment=0.02)
    thread.join()
    assert "stopped with 4 of 4 runs left. The same command continues" in capsys.readouterr().err
    assert {entry["runs"][0]["status"] for entry in found["entries"]} == {"waiting"}
    assert (sorted(started(tmp_path)), do.reports) == ([f"{name}/seed_0" for name in names], 0)
    for folder in folders:
        assert workdir.holder(folder) is None
        assert 3 <= len(list((folder / "checkpoints").iterdir())) < 400


DRIVER = """
import sys
from pathlib import Path
from jaxgen import report
from jaxgen.settings import run_config
from jaxgen.study import conductor, definition

report.build = lambda directories, out: out
study = definition.read(run_config.load(sys.argv[1], []), sys.argv[1])
conductor.conduct(study, Path(sys.argv[2]), "train", "latest", sys.argv[3:])
assert "jax" not in sys.modules  # the devices belong to the runs
"""


@pytest.mark.full
@pytest.mark.parametrize("at_once", [1, pytest.param(2, marks=BESIDE)])
def test_killed_at_random_moments_ends_as_if_untouched(do, tmp_path, start_process, at_once):
    (tmp_path / "drive.py").write_text(DRIVER)
    (tmp_path / "plan.json").write_text("{}")
    source = Path(__file__).read_text()
    body = source[source.index("def small_study") : source.index("@pytest.fixture")].replace(
        "small_study(**", "get_config(**"
    )
    body = body.replace("study.seeds = (0, 1)", f"study.seeds, study.runs_at_once = (0, 1), {at_once}")
    (tmp_path / "study_small.py").write_text(f"from jaxgen.settings import default, default_study\n\n\n{body}")
    folder, moments, killed_runs = tmp_path / "killed", random.Random(0), 0
    command = [tmp_path / "drive.py", tmp_path / "study_small.py", folder, *fake(tmp_path, 0.05)]
    for kill in range(4):
        process = start_process(*command, PYTHONPATH=str(ROOT))
        goal = 4 * kill + moments.randrange(4)  # steps of all runs
        while process.poll() is None and len(list(folder.glob("runs/*/*/checkpoints/*"))) < goal:
            time.sleep(0.01)
        assert process.poll() is None  # or nothing is killed
        process.kill()
        process.wait()
        under_way = [where for where in folder.glob("runs/*/*") if workdir.holder(where)]
        killed_runs += len(under_way)
        for where in under_way if kill % 2 else []:  # and its run with it; else it is left to save and end
            os.kill(int(workdir.holder(where)), signal.SIGKILL)
    assert killed_runs >= 2
    assert start_process(*command, PYTHONPATH=str(ROOT)).wait() == 0
    found = record(folder)
    assert {run["status"] for entry in found["entries"] for run in entry["runs"]} == {"done"}
    do()
    assert values(folder) == values(tmp_path / "study")
    assert len(values(folder)) == 4
