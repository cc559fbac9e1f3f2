"""A run that is killed and stopped on its way: each tracker ends with every step, picture and number once."""

import importlib.util
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers.event_files import shown

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]  # warnings of the trackers' packages
INSTALLED = tuple(name for name in ("wandb", "mlflow") if importlib.util.find_spec(name))
STEPS, EVERY, PICTURES = 300, 10, 50
VAE = (
    "config.recipe.name, config.model.name, config.model.batch_norm = 'vae', 'mlp_vae', False",
    "config.num_devices = 1",
    f"config.steps, config.log_every, config.sample_every = {STEPS}, {EVERY}, {PICTURES}",
    "config.checkpoint_every = config.eval_every = 100",
    "config.evaluation.num_samples_in_training = 16",
)


def lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def wait_for_lines(process, folder, count):
    end = time.monotonic() + 900
    while lines(folder) < count and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1]
    assert lines(folder) >= count, "too slow"


@pytest.fixture(scope="module")
def run(tmp_path_factory, write_tiny, start_process):
    """The work directory of a run that was killed, stopped, and then ran to its end."""
    base = tmp_path_factory.mktemp("tracked")
    folder = base / "run"

    config = write_tiny(base / "tiny.py", *VAE, f"config.trackers = {('tensorboard', *INSTALLED)}")

    def start():
        variables = {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": f"sqlite:///{base / 'mlflow.db'}"}
        variables |= {"DO_NOT_TRACK": "1", "HOME": str(base)}
        arguments = ("-m", "jaxgen.main", "--config", config, "--workdir", folder)
        return start_process(*arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **variables)

    # Killed between two checkpoints, so that lines are written twice.
    for signals, count in ((signal.SIGKILL, 14), (signal.SIGTERM, 18)):
        process = start()
        wait_for_lines(process, folder, count)
        process.send_signal(signals)
        messages = process.communicate(timeout=900)[1]
        assert process.returncode == (0 if signals == signal.SIGTERM else -signal.SIGKILL), messages
    assert "stopped at step" in messages
    for _ in range(2):  # the second finds everything done
        process = start()
        messages = process.communicate(timeout=900)[1]
        assert process.returncode == 0, messages
        assert "the run goes on without it" not in messages
    return folder


@pytest.fixture
def curves(run):
    """name -> [(step, number)] of metrics.jsonl, the evaluation's numbers, and the steps that have pictures."""
    found = {}
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        for name in line.keys() - {"step", "seed"}:
            found.setdefault(name, []).append((line["step"], line[name]))
    assert [step for step, _ in found["loss"]] == list(range(EVERY, STEPS + 1, EVERY))
    assert [step for step, _ in found["psnr"]] == [100, 200]
    evaluation = json.loads((run / "evaluation.json").read_text())
    return found, evaluation["psnr"]["value"], list(range(PICTURES, STEPS + 1, PICTURES))


def in_single(pairs):
    """TensorBoard keeps numbers in single precision."""
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in pairs]


def test_tensorboard(run, curves):
    expected, psnr, pictures = curves
    board = shown(run / "tensorboard")
    for name, pairs in expected.items():
        assert board[name] == in_single(pairs), name
    assert board["final/psnr"] == in_single([(STEPS, psnr)])
    for name in ("samples", "reconstructions"):
        assert [step for step, _ in board[name]] == pictures
    assert [step for step, _ in board["timing/step_ms"]] == [STEPS]


@pytest.mark.skipif("wandb" not in INSTALLED, reason="the extra wandb is not installed")
def test_weights_and_biases(run, curves):
    from wandb.proto.wandb_internal_pb2 import Record

    from jaxgen.trackers.wandb import records

    expected, psnr, pictures = curves
    own = json.loads((run / "trackers.json").read_text())["id"]
    found, final, files, config = {}, {}, [], {}
    sessions = sorted(run.glob(f"wandb/offline-run-*-{own}/run-{own}.wandb"))
    assert len(sessions) == 4
    for record in (Record.FromString(data) for path in sessions for data in records(path)):
        items = {".".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        for name, value in items.items():
            found.setdefault(name, []).append((record.history.step.num, json.loads(value)))
        final |= {item.key or item.nested_key[0]: item.value_json for item in record.summary.update}
        files += [file.path for file in record.files.files]
        config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
    for name, pairs in expected.items():
        assert found[name] == pairs, name
    for name in ("samples", "reconstructions"):
        assert [step for step, _ in found[f"{name}._type"]] == pictures
    assert json.loads(final["final/psnr"]) == psnr
    assert json.loads(final["timing/step_ms"]) > 0
    assert {"config.json", "evaluation.json", "evaluation/real_beside_fake.png"} <= set(files)
    assert config["model"]["width"] == 8


@pytest.mark.skipif("mlflow" not in INSTALLED, reason="the extra mlflow is not installed")
def test_mlflow(run, curves):
    from mlflow import MlflowClient

    expected, psnr, pictures = curves
    client = MlflowClient(f"sqlite:///{run.parent / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("jaxgen").experiment_id])

    def curve(name):
        return [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, name)]

    for name, pairs in expected.items():
        assert curve(name) == pairs, name
    assert curve("final/psnr") == [(STEPS, psnr)]
    assert [step for step, _ in curve("timing/step_ms")] == [STEPS]
    for name in ("samples", "reconstructions"):
        listed = [Path(file.path).name for file in client.list_artifacts(found.info.run_id, name)]
        assert listed == [f"step_{step:07d}.png" for step in pictures]
    listed = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"config.json", "evaluation.json", "evaluation"} <= listed
    assert found.data.params["model.width"] == "8"
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
