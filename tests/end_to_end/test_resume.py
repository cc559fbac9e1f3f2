"""Kill the program, type the same command: the end is bit for bit that of a run that nobody touched."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

# Lazy regularisation at other steps than checkpoints, ADA in the middle of its interval at each of them.
STYLEGAN2 = (
    "config.recipe.name = config.model.name = 'stylegan2'",
    "config.model.width = 64  # not read, so as it was",
    "config.model.architecture, config.model.mapping_layers = 'skip', 2",
    "config.model.channel_base, config.model.channel_max = 64, 8",
    "config.recipe.r1_interval, config.recipe.path_length_interval, config.recipe.ema_kimg = 7, 3, 0.5",
    "config.recipe.ada_pipeline, config.recipe.ada_interval, config.recipe.ada_kimg = 'c', 4, 3.0",
    "config.recipe.ada_initial_p, config.recipe.ada_target = 0.5, 0.2",
)


@pytest.fixture
def command(tmp_path, write_tiny, start_process):
    """`command(workdir, steps, *changes)` -> a started process of the real command line."""

    def start(workdir, steps, *more):
        cadences = "config.log_every, config.checkpoint_every, config.sample_every = 20, 50, 100"
        changes = (f"config.steps = {steps}", "config.data.flip = True", "config.num_devices = 1", cadences, *more)
        config = write_tiny(tmp_path / f"tiny_{steps}.py", *changes)
        arguments = ("-m", "jaxgen.main", "--config", config, "--workdir", workdir)
        return start_process(*arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)

    return start


def finish(process) -> str:
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    return messages


def end_state(workdir: Path, steps: int) -> dict[str, str]:
    """Checksums of every array of the last checkpoint, which were computed from the arrays and verified at restores."""
    return json.loads((workdir / "checkpoints" / str(steps) / "meta" / "metadata").read_text())["checksums"]


def wait_for(condition, process, seconds=240) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def steps_logged(workdir: Path) -> int:
    path = workdir / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("kills", "changes"),
    [
        (2, ()),
        pytest.param(10, (), marks=pytest.mark.slow),
        pytest.param(4, STYLEGAN2, marks=pytest.mark.slow, id="stylegan2"),
    ],
)
def test_killed_at_random_moments_ends_bit_identical(command, tmp_path, kills, changes):
    steps = 200 * kills
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(command(whole, steps, *changes))
    moments = random.Random(kills)
    was_under_way = 0
    for kill in range(kills):
        process = command(killed, steps, *changes)
        # Anywhere from the start of the process to well past the next checkpoints.
        target = steps_logged(killed) + moments.randrange(0, 8)
        if kill:
            wait_for(lambda n=target: steps_logged(killed) >= n, process)
        time.sleep(moments.random() * 0.5)
        was_under_way += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert was_under_way >= kills - 1  # or nothing was killed
    finish(command(killed, steps, *changes))
    assert end_state(killed, steps) == end_state(whole, steps)
    for name in ("metrics.jsonl", "alarms.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    logged = [json.loads(line)["step"] for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert logged == list(range(20, steps + 1, 20))
    for picture in (whole / "samples").iterdir():
        assert (killed / "samples" / picture.name).read_bytes() == picture.read_bytes()


@pytest.mark.full
def test_sigterm_saves_and_exits_0_and_the_rest_is_bit_identical(command, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    finish(command(whole, 400))
    process = command(stopped, 400)
    assert wait_for(lambda: steps_logged(stopped) >= 1, process)
    process.terminate()
    messages = finish(process)
    assert "stopped at step" in messages
    saved = [int(path.name) for path in (stopped / "checkpoints").iterdir() if path.name.isdigit()]
    assert 0 < max(saved) < 400
    assert not (stopped / "evaluation.json").exists()
    messages = finish(command(stopped, 400))
    assert f"resuming at step {max(saved)} of 400" in messages
    assert end_state(stopped, 400) == end_state(whole, 400)
    assert (stopped / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


@pytest.mark.full
def test_damaged_newest_checkpoint_falls_back_to_the_same_end(command, tmp_path):
    workdir = tmp_path / "run"
    finish(command(workdir, 100))
    before, rows = end_state(workdir, 100), (workdir / "metrics.jsonl").read_bytes()
    files = [path for path in (workdir / "checkpoints" / "100" / "state").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    messages = finish(command(workdir, 100))
    assert "checkpoint 100 is damaged" in messages
    assert "resuming at step 50 of 100" in messages
    assert end_state(workdir, 100) == before
    assert (workdir / "metrics.jsonl").read_bytes() == rows
