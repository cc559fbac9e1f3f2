"""A work directory belongs to one run and one config."""

import json
import os
import subprocess
import sys

import pytest

from jaxgen.errors import UserError
from jaxgen.files import workdir


def test_lock_is_exclusive_and_ends_with_the_process(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from jaxgen.files import workdir; "
        "held = workdir.lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=rf"in use by another run \(process {process.pid}\)"):
        workdir.lock(tmp_path)
    process.kill()
    process.wait()
    process.stdout.close()
    workdir.lock(tmp_path).close()  # a killed run leaves no lock behind


def test_lock_refuses_what_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        workdir.lock(tmp_path / "file")


def test_bind_writes_once_and_accepts_the_same(tmp_path, tiny_config):
    workdir.bind(tmp_path, tiny_config(), {"commit": "abc"})
    first = (tmp_path / "config.json").read_bytes()
    assert json.loads(first)["commit"] == "abc"
    workdir.bind(tmp_path, tiny_config(), {"commit": "def"})
    assert (tmp_path / "config.json").read_bytes() == first


def test_another_config_is_refused_with_the_keys(tmp_path, tiny_config):
    workdir.bind(tmp_path, tiny_config(), {})
    other = tiny_config()
    other.model.width = 16
    other.optimizers.generator.learning_rate = 1.0
    with pytest.raises(UserError, match=r"config.model.width: 8 there and 16 now") as caught:
        workdir.bind(tmp_path, other, {})
    assert "optimizers.generator.learning_rate" in str(caught.value)


def test_a_run_of_before_a_key_was_made_goes_on_with_its_default(tmp_path, tiny_config):
    workdir.bind(tmp_path, tiny_config(), {})
    path = tmp_path / "config.json"
    written = json.loads(path.read_text())
    del written["config"]["model"]["output_bias"], written["config"]["report"]
    path.write_text(json.dumps(written))
    workdir.bind(tmp_path, tiny_config(), {})
    changed = tiny_config()
    changed.report = True
    workdir.bind(tmp_path, changed, {})  # a page changes nothing of the training
    changed.model.output_bias = True
    with pytest.raises(UserError, match=r"config.model.output_bias: False there and True now"):
        workdir.bind(tmp_path, changed, {})


def test_keys_that_do_not_change_training_may_differ(tmp_path, tiny_config):
    workdir.bind(tmp_path, tiny_config(), {})
    other = tiny_config()
    other.evaluation.num_samples = 7
    other.num_devices = 4
    other.steps += 100  # constant learning rate: a longer run passes through the shorter one
    workdir.bind(tmp_path, other, {})


def test_a_run_that_goes_on_for_longer_says_so(tmp_path, tiny_config):
    config = tiny_config()
    config.budget.seconds = 30.0
    workdir.bind(tmp_path, config, {"commit": "abc"})
    first = json.loads((tmp_path / "config.json").read_text())
    config.steps, config.budget.seconds, config.evaluation.num_samples = 120, 60.0, 7
    workdir.bind(tmp_path, config, {"commit": "def"})
    first["config"]["steps"], first["config"]["budget"]["seconds"] = 120, 60.0
    assert json.loads((tmp_path / "config.json").read_text()) == first
    config.budget.seconds = 0.0  # without end
    workdir.bind(tmp_path, config, {})
    assert json.loads((tmp_path / "config.json").read_text())["config"]["budget"]["seconds"] == 0.0


def test_a_run_of_an_earlier_version_goes_on(tmp_path, tiny_config):
    """Keys that it did not have yet count as their defaults, and only as those."""
    workdir.bind(tmp_path, tiny_config(), {})
    path = tmp_path / "config.json"
    record = json.loads(path.read_text())
    del record["config"]["recipe"]["ema_decay"], record["config"]["data"]["flip"], record["config"]["optimizers"]["vae"]
    path.write_text(json.dumps(record))
    workdir.bind(tmp_path, tiny_config(), {})
    changed = tiny_config()
    changed.data.flip = True
    with pytest.raises(UserError, match=r"config\.data\.flip: False there and True now"):
        workdir.bind(tmp_path, changed, {})


def test_more_steps_under_a_schedule_is_another_run(tmp_path, tiny_config):
    config = tiny_config()
    config.optimizers.generator.schedule = "linear"
    workdir.bind(tmp_path, config, {})
    config.steps += 100
    with pytest.raises(UserError, match=r"config.steps: 20 there and 120 now"):
        workdir.bind(tmp_path, config, {})


def test_fewer_steps_are_refused(tmp_path, tiny_config):
    config = tiny_config()
    workdir.bind(tmp_path, config, {})
    config.steps = 10
    with pytest.raises(UserError, match=r"config.steps: 20 there and 10 now"):
        workdir.bind(tmp_path, config, {})


def test_damaged_config_json_is_refused(tmp_path, tiny_config):
    (tmp_path / "config.json").write_text('{"config": ')
    with pytest.raises(UserError, match="is unreadable"):
        workdir.bind(tmp_path, tiny_config(), {})


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    workdir.write_atomic(path, "old")

    def fail(*args):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        workdir.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
