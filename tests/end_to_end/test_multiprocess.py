"""Several processes train through the real command line as one does, and go on after one of them was lost."""

import json
import signal
import time

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxgen.devices import parallel
from jaxgen.runs import restoring, session
from jaxgen.training import compiled_steps

# SIGTERM is looked for once a second: enough steps for a run to be stopped on its way.
STEPS = 300
CHANGES = (
    "config.steps, config.log_every = 60, 5",
    "config.checkpoint_every = config.sample_every = 30",
    "for player in config.optimizers.values():",
    "    player.update({'name': 'sgd', 'b1': 0.0, 'learning_rate': 0.02})",
)
STYLEGAN2_MODEL = (
    "config.recipe.name = config.model.name = 'stylegan2'",
    "config.model.width = 64  # not read, so as it was",
    "config.model.architecture, config.model.mapping_layers = 'skip', 2",
    "config.model.channel_base, config.model.channel_max = 64, 8",
    "config.recipe.r1_interval, config.recipe.path_length_interval = 7, 3",
    "config.recipe.ada_pipeline, config.recipe.ada_interval, config.recipe.ada_kimg = 'c', 4, 3.0",
)
STYLEGAN2 = (*STYLEGAN2_MODEL, *CHANGES[:2], "config.steps = 20", *CHANGES[2:])
ADAM = ("config.steps, config.log_every = 200, 5", "config.checkpoint_every = config.sample_every = 100")


@pytest.fixture
def start(start_run):
    """`start_run` with a config of its own."""
    return lambda *changes, **options: start_run(*(changes or CHANGES), **options)


@pytest.fixture
def digits(tmp_path):
    """Lines of a config that streams the digits from a mapped file instead of holding them in memory."""
    images = np.round(load_digits().images * 15.9375).astype(np.uint8)[:256]
    np.save(tmp_path / "train.npy", images)
    np.save(tmp_path / "test.npy", images[:64])
    return (f"config.data.name, config.data.dir, config.data.limit = 'array', {str(tmp_path)!r}, 0",)


def wait_for_all(processes, tmp_path, codes=(0, 0)):
    found = [process.wait(timeout=240) for process in processes]
    texts = [(tmp_path / f"{i}.log").read_text() for i in range(len(processes))]
    assert found == list(codes[: len(found)]), "\n".join(text[-3000:] for text in texts)


def wait_for_step(processes, tmp_path, step):
    deadline = time.monotonic() + 240
    while not (lines := steps_logged(tmp_path / "run")) or lines[-1] < step:
        assert all(process.poll() is None for process in processes), (tmp_path / "0.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def steps_logged(folder):
    path = folder / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def config_of(tmp_path):
    scope = {}
    exec((tmp_path / "tiny.py").read_text(), scope)
    return scope["get_config"]()


def restored(tmp_path):
    config = config_of(tmp_path)
    state, step = restoring.restore(session.open_session(config), tmp_path / "run", "latest")
    assert step == config.steps
    return jax.device_get(state.players)


def trained_here(tmp_path):
    config = config_of(tmp_path)
    config.data.streaming = "never"
    opened = session.open_session(config)
    assert opened.mesh.size == 4
    state = parallel.init_state(opened.recipe, opened.mesh, 0)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=5)
    for _ in range(config.steps // 5):
        # One at a time, as the loop does: queued programs of four devices can starve each other on two cores.
        state, _ = jax.block_until_ready(compiled.run(state, data))
    return jax.device_get(state.players)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a, b)


@pytest.mark.full
def test_two_processes_equal_one_and_go_on_after_sigterm_and_a_kill(start, tmp_path, digits):
    """Each process streams the examples of its own devices; one process with four holds all images in memory."""
    changes = (*CHANGES, f"config.steps = {STEPS}", *digits, "config.data.streaming = 'always'")
    folder = tmp_path / "run"
    processes = start(*changes)
    wait_for_step(processes, tmp_path, 5)
    # One that is told is enough: all agree to save and end.
    processes[1].send_signal(signal.SIGTERM)
    wait_for_all(processes, tmp_path)
    stopped = steps_logged(folder)[-1]
    assert 0 < stopped < STEPS
    assert (folder / "checkpoints" / str(stopped)).is_dir()
    assert not (folder / "evaluation.json").exists()

    processes = start(*changes)
    wait_for_step(processes, tmp_path, min(stopped + 5, STEPS))
    processes[1].kill()
    processes[1].wait()
    code, log = processes[0].wait(timeout=240), (tmp_path / "0.log").read_text()
    assert f"resuming at step {stopped} of {STEPS}" in log
    if code:  # it was not done yet
        assert code == 1, log[-3000:]
        assert "jaxgen: error: process 0 lost another of the 2 processes (" in log
        assert "The same command in all processes goes on from step" in log
    assert "Traceback" not in log

    wait_for_all(start(*changes), tmp_path)
    assert steps_logged(folder) == list(range(5, STEPS + 1, 5))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["_run"]["device"] == {**evaluation["_run"]["device"], "count": 4, "processes": 2}
    assert (folder / "samples" / f"step_{STEPS:07d}.png").exists()
    assert_close(restored(tmp_path), trained_here(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [CHANGES, STYLEGAN2], ids=["dcgan", "stylegan2"])
def test_two_processes_equal_one_and_a_single_device(start, tmp_path, changes):
    """20 and 60 steps of SGD; and a Frechet distance is the same number wherever it is measured."""
    metrics = (
        "config.evaluation.metrics = ('fd_efficientnet_lite0',)",
        "config.evaluation.num_samples, config.evaluation.allow_few_samples = 64, True",
    )
    changes = (*changes, *metrics)
    found = {}
    for processes, devices in ((2, 2), (1, 4), (1, 1)):
        wait_for_all(start(*changes, processes=processes, devices=devices), tmp_path)
        evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
        found[processes, devices] = restored(tmp_path), evaluation["fd_efficientnet_lite0"]["value"]
        (tmp_path / "run").rename(tmp_path / f"run_{processes}x{devices}")
    players, distance = found.pop((2, 2))
    for other, other_distance in found.values():
        assert_close(players, other)
        assert other_distance == pytest.approx(distance, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", [(), STYLEGAN2_MODEL], ids=["dcgan", "stylegan2"])
def test_the_same_losses_over_200_steps_of_adam(start, tmp_path, model):
    """Adam divides by small numbers, which makes rounding grow: within 0.1% after 200 steps."""
    losses = {}
    for processes, devices in ((2, 2), (1, 4), (1, 1)):
        wait_for_all(start(*model, *ADAM, processes=processes, devices=devices), tmp_path)
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        losses[processes, devices] = np.array([(line["loss_d"], line["loss_g"]) for line in lines])
        (tmp_path / "run").rename(tmp_path / f"run_{processes}x{devices}")
    assert losses[2, 2].shape == (40, 2)
    for other in ((1, 4), (1, 1)):
        np.testing.assert_allclose(losses[2, 2], losses[other], rtol=1e-3, err_msg=str(other))


@pytest.mark.slow
@pytest.mark.parametrize("shard_optimizer", [False, True])
def test_a_run_goes_on_with_other_processes_and_devices(start, tmp_path, shard_optimizer):
    """2 processes with 2 devices each, then 1 with 1, then 1 with 4."""
    changes = (*CHANGES, "config.steps = 400", f"config.shard_optimizer = {shard_optimizer}")
    last = 0
    for processes, devices in ((2, 2), (1, 1)):
        running = start(*changes, processes=processes, devices=devices)
        wait_for_step(running, tmp_path, last + 10)
        running[-1].send_signal(signal.SIGTERM)
        wait_for_all(running, tmp_path)
        assert last < steps_logged(tmp_path / "run")[-1] < 400
        last = steps_logged(tmp_path / "run")[-1]
    wait_for_all(start(*changes, processes=1, devices=4), tmp_path)
    assert_close(restored(tmp_path), trained_here(tmp_path))


@pytest.mark.full
def test_a_refused_workdir_ends_all_processes_with_the_line(start, tmp_path):
    (tmp_path / "run").write_text("a file")
    processes = start()
    wait_for_all(processes, tmp_path, codes=(2, 2))
    for i in range(2):
        assert "jaxgen: error: --workdir" in (tmp_path / f"{i}.log").read_text()


LOSS = '''
"""The non-saturating loss, which process 1 takes long to compile."""

import time
from pathlib import Path

import jax

from jaxgen.losses.adversarial import non_saturating

generator_loss = non_saturating.generator_loss
waited = []


def discriminator_loss(real_logits, fake_logits):
    if jax.process_index() == 1 and not waited:
        Path("WAITING").touch()
        waited.append(time.sleep(SECONDS))
    return non_saturating.discriminator_loss(real_logits, fake_logits)
'''


@pytest.fixture
def start_late(start, tmp_path):
    """`start_late(seconds)`: processes of which one takes so much longer to compile; it has begun to."""

    def run(seconds):
        waiting = tmp_path / "waiting"
        waiting.unlink(missing_ok=True)
        (tmp_path / "late").mkdir(exist_ok=True)
        text = LOSS.replace("SECONDS", str(seconds)).replace("WAITING", str(waiting))
        (tmp_path / "late" / "loss.py").write_text(text)
        running = start(*CHANGES, "config.recipe.loss = 'late.loss'", PYTHONPATH=str(tmp_path))
        while not waiting.exists():
            assert all(process.poll() is None for process in running), (tmp_path / "0.log").read_text()[-3000:]
            time.sleep(0.05)
        return running

    return run


@pytest.mark.slow
def test_sigterm_while_compiling_ends_all_after_their_first_steps(start_late, tmp_path):
    running = start_late(4)  # JAX looks for it once a second
    running[1].send_signal(signal.SIGTERM)
    wait_for_all(running, tmp_path)
    assert "stopped at step 5 of 60, saved" in (tmp_path / "0.log").read_text()
    running = start_late(4)
    running[0].send_signal(signal.SIGTERM)
    wait_for_all(running, tmp_path)
    assert "stopped at step 10 of 60, saved" in (tmp_path / "0.log").read_text()


@pytest.mark.slow
def test_processes_wait_for_one_that_compiles_longer(start_late, tmp_path):
    """Collectives on CPUs give up after 30 s."""
    wait_for_all(start_late(40), tmp_path)
    assert steps_logged(tmp_path / "run")[-1] == 60
