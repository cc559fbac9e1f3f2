"""MLflow, into a folder: a run is found again, and holds each number once."""

import pytest
from PIL import Image

from jaxgen.trackers.base import TrackedRun

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
# Warnings of the package's own are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def client(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the newest versions want to be asked for it
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    return MlflowClient()


def open_again(folder, resumed_at=0, **config):
    from jaxgen.trackers.mlflow import open_tracker

    return open_tracker(TrackedRun(folder, "", 3, folder, {"model": {"width": 8}, "steps": 60, **config}, resumed_at))


def only_run(client):
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    return run


def curve(client, key):
    return [(metric.step, metric.value) for metric in client.get_metric_history(only_run(client).info.run_id, key)]


def test_a_run_goes_on_where_it_was_killed(tmp_path, client):
    killed = open_again(tmp_path)
    assert killed.held == -1
    for step in (10, 20, 30):
        killed.row(step, {"loss": step / 4, "a(b)": 1.0}, {"samples": Image.new("P", (4, 4))})
    run = only_run(client).info.run_id
    # Killed while the numbers of step 40 were on their way: a folder keeps each number in a file of its own.
    client.log_metric(run, "loss", 10.0, step=40)
    assert only_run(client).info.status == "RUNNING"
    tracker = open_again(tmp_path, 20, steps=80)
    assert tracker.held < 40
    for step in (40, 50):
        tracker.row(step, {"loss": step / 4, "a(b)": 1.0}, {})
    tracker.close(False)
    assert only_run(client).info.status == "KILLED"
    assert curve(client, "loss") == [(step, step / 4) for step in (10, 20, 30, 40, 50)]
    assert curve(client, "a_b_") == [(step, 1.0) for step in (10, 20, 30, 40, 50)]
    pictures = [file.path for file in client.list_artifacts(run, "samples")]
    assert pictures == [f"samples/step_{step:07d}.png" for step in (10, 20, 30)]
    params = only_run(client).data.params
    assert params["model.width"] == "8"
    assert params["steps"] == "60"  # as at the start: MLflow has no other parameters for a run


def test_an_evaluation_is_held_once_unless_it_is_a_new_one(tmp_path, client):
    (tmp_path / "evaluation").mkdir()
    files = [tmp_path / "evaluation.json", tmp_path / "evaluation" / "tsne.png"]
    for file in files:
        file.write_text("{}")
    for again, value in ((False, 1.0), (True, 1.0), (False, 2.0)):
        tracker = open_again(tmp_path, None if value == 2 else 60)
        tracker.final(60, {"psnr": value}, {"step_ms": 3.0}, files, again)
        tracker.close(None if value == 2 else True)
    assert curve(client, "final/psnr") == [(60, 1.0), (60, 2.0)]
    assert curve(client, "timing/step_ms") == [(60, 3.0), (60, 3.0)]
    run = only_run(client)
    assert run.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["evaluation", "evaluation.json"]


def test_two_work_directories_are_two_runs(tmp_path, client):
    for name in "ab":
        (tmp_path / name).mkdir()
        open_again(tmp_path / name).close(True)
    found = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert {run.info.run_name for run in found} == {"a", "b"}
    assert {run.data.tags["jaxgen.part"] for run in found} == {"seed_3"}
