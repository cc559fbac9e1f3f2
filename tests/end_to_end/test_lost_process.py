"""Processes that are lost, or told to stop, where no collective notices, in a long phase on the host."""

import json
import signal
import time

import pytest

CHANGES = (
    "config.batch_size, config.evaluation.metrics = 12, ('slow.metric',)",
    "config.evaluation.num_samples, config.evaluation.batch_size, config.evaluation.pictures = 16, 16, False",
)
# All processes are on their hosts for minutes, or until they may go on.
METRIC = '''
"""The mean of the samples, after a long start."""

import os
import time
from pathlib import Path

import jax
import numpy as np

NEEDS, DIRECTION, MIN_SAMPLES, EXTRACTOR = "sample", "lower", 1, None


class Mean:
    def __init__(self):
        self.rows = []

    def update(self, batch):
        self.rows.append(batch.host(batch.fake))

    def result(self):
        return {"value": float(np.concatenate(self.rows).mean()), "spread": None}


def start(context):
    folder = Path(os.environ["SLOW"])
    (folder / f"started_{jax.process_index()}").touch()
    while not (folder / "go_on").exists():
        if (folder / f"fail_{jax.process_index()}").exists():
            raise ValueError("planted")
        time.sleep(0.1)
    return Mean()
'''


@pytest.fixture
def slow_run(start_run, tmp_path):
    """`until_there(count)`: processes that are all in the metric's start; `to_the_end(count)`: evaluation.json."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "metric.py").write_text(METRIC)
    variables = {"PYTHONPATH": str(tmp_path), "SLOW": str(tmp_path)}

    def until_there(count):
        running, deadline = start_run(*CHANGES, processes=count, **variables), time.monotonic() + 240
        while len(list(tmp_path.glob("started_*"))) < count:
            assert all(process.poll() is None for process in running), (tmp_path / "0.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return running

    def to_the_end(count):
        (tmp_path / "go_on").touch()
        for process in start_run(*CHANGES, processes=count, **variables):
            assert process.wait(timeout=240) == 0, (tmp_path / "0.log").read_text()[-3000:]
        return json.loads((tmp_path / "run" / "evaluation.json").read_text())

    return until_there, to_the_end


@pytest.mark.full
@pytest.mark.parametrize(
    ("count", "lost"), [(2, 0), *(pytest.param(*numbers, marks=pytest.mark.slow) for numbers in ((2, 1), (3, 2)))]
)
def test_the_others_end_with_a_line_and_the_same_command_goes_on(slow_run, tmp_path, count, lost):
    until_there, to_the_end = slow_run
    running = until_there(count)
    running[lost].kill()
    for i in set(range(count)) - {lost}:
        code = running[i].wait(timeout=60)  # JAX's heartbeats would take 100 s
        log = (tmp_path / f"{i}.log").read_text()
        assert code == 1, log[-3000:]
        assert f"jaxgen: error: process {i} lost another of the {count} processes (" in log
        assert "The same command in all processes goes on from step 20" in log
    told = f"(process {lost} has closed its connection)"
    assert told in (tmp_path / f"{min({0, 1} - {lost})}.log").read_text()
    assert to_the_end(count)["slow.metric"]["n_fake"] == 16
    assert "lost another" not in (tmp_path / f"{lost}.log").read_text()


@pytest.mark.full
def test_an_error_of_the_program_in_one_process_ends_all_at_once(slow_run, tmp_path):
    until_there, _ = slow_run
    running = until_there(2)
    (tmp_path / "fail_1").touch()
    assert [process.wait(timeout=60) for process in running] == [1, 1]  # JAX's end would wait 300 s for the other
    found, other = ((tmp_path / f"{i}.log").read_text() for i in (1, 0))
    assert "ValueError: planted" in found
    assert found.rstrip().endswith("jaxgen: error: process 1 ended by an error of the program, shown above")
    assert "jaxgen: error: process 0 lost another of the 2 processes (process 1 has closed its connection)" in other


@pytest.mark.slow
def test_sigterm_while_evaluating_ends_all_and_the_same_command_evaluates_again(slow_run, tmp_path):
    until_there, to_the_end = slow_run
    running = until_there(2)
    running[1].send_signal(signal.SIGTERM)
    time.sleep(5)  # JAX looks for it once a second
    (tmp_path / "go_on").touch()
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert "stopped while evaluating" in (tmp_path / "0.log").read_text()
    assert not (tmp_path / "run" / "evaluation.json").exists()
    assert to_the_end(2)["slow.metric"]["n_fake"] == 16
