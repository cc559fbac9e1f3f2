"""launch/local.sh: for real, and with stand-ins for Python."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.launch.commands import LAUNCH, VARIABLES, program, run


@pytest.mark.full
def test_local_runs_processes_that_train_together(tmp_path, write_tiny):
    config = write_tiny(tmp_path / "tiny.py", "config.data.limit, config.steps = 64, 10")
    environment = {**os.environ, **VARIABLES, "XLA_FLAGS": "", "PYTHON": sys.executable}
    command = [LAUNCH / "local.sh", 2, 2, "--config", config, "--workdir", tmp_path / "run"]
    done = run(command, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (evaluation["_run"]["device"]["count"], evaluation["_run"]["device"]["processes"]) == (4, 2)
    assert evaluation["_run"]["step"] == 10


def test_local_passes_on_failure_and_signals(tmp_path):
    assert run([LAUNCH / "local.sh", "two", 2]).returncode == 2
    # A stand-in for Python: process 1 fails, process 0 waits for the signal that ends it, then "saves" and ends well.
    environment = program(
        tmp_path / "bin",
        "python",
        "if [[ $1 == -c ]]; then echo 1; exit; fi\n"
        'if [[ "$*" == *--process_id=1* ]]; then sleep 0.3; exit 7; fi\n'
        f'trap "sleep 0.5; touch {tmp_path}/saved; exit 0" TERM\n'
        "while true; do sleep 0.1; done",
    )
    done = run([LAUNCH / "local.sh", 2, 1], env={**environment, "PYTHON": str(tmp_path / "bin" / "python")})
    assert done.returncode == 7
    assert (tmp_path / "saved").exists()


def test_local_hands_on_a_signal_and_waits_until_all_have_saved(tmp_path):
    environment = program(
        tmp_path / "bin",
        "python",
        "if [[ $1 == -c ]]; then echo 1; exit; fi\n"
        f'trap "sleep 0.3; touch {tmp_path}/saved$$; exit 0" TERM\n'
        f"touch {tmp_path}/started$$\n"
        "while true; do sleep 0.05; done",
    )
    environment["PYTHON"] = str(tmp_path / "bin" / "python")
    local = subprocess.Popen([LAUNCH / "local.sh", "3", "1"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("started*"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        local.terminate()
        assert local.wait(timeout=60) == 0
    finally:
        local.kill()
        local.wait()
    assert len(list(tmp_path.glob("saved*"))) == 3


def test_local_gives_each_process_gpus_of_its_own(tmp_path):
    environment = program(
        tmp_path / "bin", "python", f'[[ $1 == -c ]] && echo 1 || touch "{tmp_path}/$CUDA_VISIBLE_DEVICES of $6"'
    )
    environment |= {"PYTHON": str(tmp_path / "bin" / "python"), "GPUS": "1"}
    assert run([LAUNCH / "local.sh", 2, 2], env=environment).returncode == 0
    assert {path.name for path in tmp_path.glob("* of *")} == {"0,1 of --process_id=0", "2,3 of --process_id=1"}
