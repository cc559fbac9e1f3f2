"""Two processes with two devices each train through the real command line as one process with four does."""

import json
import signal
import socket
import time

import jax
import numpy as np
import pytest

from jaxgen import session
from jaxgen.training import compiled_steps, parallel

STEPS = 60
CHANGES = (
    "config.steps, config.log_every = 60, 5",
    "config.checkpoint_every = config.sample_every = 30",
    "for player in config.optimizers.values():",
    "    player.update({'name': 'sgd', 'b1': 0.0, 'learning_rate': 0.02})",
)


@pytest.fixture
def start(tmp_path, write_tiny, start_process):
    """`start() -> two running processes`."""
    config = write_tiny(tmp_path / "tiny.py", *CHANGES)

    def run():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = ["-m", "jaxgen.main", "--config", config, "--workdir", tmp_path / "run"]
        command += ["--distributed", f"--coordinator_address=127.0.0.1:{port}", "--num_processes=2"]
        processes = []
        for i in range(2):
            with open(tmp_path / f"{i}.log", "a") as log:
                options = {"stdout": log, "stderr": log, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
                processes.append(start_process(*command, f"--process_id={i}", **options))
        return processes

    return run


def wait_for_both(processes, tmp_path):
    codes = [process.wait(timeout=240) for process in processes]
    assert codes == [0, 0], "\n".join((tmp_path / f"{i}.log").read_text()[-3000:] for i in range(2))


def steps_logged(folder):
    path = folder / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def test_two_processes_equal_one_and_go_on_after_sigterm(start, tmp_path):
    folder = tmp_path / "run"
    processes = start()
    deadline = time.monotonic() + 240
    while not steps_logged(folder):
        assert all(process.poll() is None for process in processes), (tmp_path / "0.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # One that is told is enough: all agree to save and end.
    processes[1].send_signal(signal.SIGTERM)
    wait_for_both(processes, tmp_path)
    stopped = steps_logged(folder)[-1]
    assert 0 < stopped < STEPS
    assert (folder / "checkpoints" / str(stopped)).is_dir()
    assert not (folder / "evaluation.json").exists()

    wait_for_both(start(), tmp_path)
    assert f"resuming at step {stopped} of {STEPS}" in (tmp_path / "0.log").read_text()
    assert steps_logged(folder) == list(range(5, STEPS + 1, 5))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["_run"]["device"] == {**evaluation["_run"]["device"], "count": 4, "processes": 2}
    assert (folder / "samples" / "step_0000060.png").exists()

    two = restored(tmp_path)
    one = trained_here(tmp_path)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), two, one)


def config_of(tmp_path):
    scope = {}
    exec((tmp_path / "tiny.py").read_text(), scope)
    return scope["get_config"]()


def restored(tmp_path):
    state, step = session.restore(session.open_session(config_of(tmp_path)), tmp_path / "run", "latest")
    assert step == STEPS
    return jax.device_get(state.players)


def trained_here(tmp_path):
    opened = session.open_session(config_of(tmp_path))
    assert opened.mesh.size == 4
    state = parallel.init_state(opened.recipe, opened.mesh, 0)
    images, labels = session.upload(opened)
    compiled = compiled_steps.compile_steps(opened.recipe, opened.feed, opened.mesh, state, images, labels, steps=5)
    for _ in range(STEPS // 5):
        state, _ = compiled.run(state, images, labels)
    return jax.device_get(state.players)


def test_a_refused_workdir_ends_all_processes_with_the_line(start, tmp_path):
    (tmp_path / "run").write_text("a file")
    processes = start()
    assert [process.wait(timeout=240) for process in processes] == [2, 2]
    for i in range(2):
        assert "jaxgen: error: --workdir" in (tmp_path / f"{i}.log").read_text()
