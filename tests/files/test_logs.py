"""metrics.jsonl survives kills; the progress line survives a pipe."""

import json
import struct
import threading

import pytest
from tensorboardX.proto.event_pb2 import Event

from jaxgen.errors import UserError
from jaxgen.files.logs import MetricsFile, Progress, TensorBoard, error_kept


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(path):
    """The records of an event file: length, its checksum, the event, its checksum."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_later_lines_and_half_lines_of_a_killed_run_go(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, 0, seed=3)
    for step in (10, 20, 30):
        file.write(step, {"loss": step / 3})
    file.close()
    with open(path, "a") as damaged:
        damaged.write('{"step": 40, "lo')
    file = MetricsFile(path, 20, seed=3)
    file.write(30, {"loss": 10.0})
    file.sync()
    file.close()
    assert lines(path) == [
        {"step": 10, "seed": 3, "loss": 10 / 3},
        {"step": 20, "seed": 3, "loss": 20 / 3},
        {"step": 30, "seed": 3, "loss": 10.0},
    ]


def test_a_new_run_starts_an_empty_file(tmp_path):
    MetricsFile(tmp_path / "metrics.jsonl", 0, seed=0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_progress_in_a_pipe_is_plain_lines(capsys):
    progress = Progress(100, 0, batch_size=64, every=0.0)
    progress.update(50, {"loss_g": 1.25, "loss_d": 0.5, "grad_norm_g": 3.0})
    progress.update(100, {"loss_g": 1.0, "loss_d": 0.5, "grad_norm_g": 3.0})
    progress.close()
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 2
    assert printed[0].startswith("step 50/100 (50%)")
    for word in ("steps/s", "images/s", "left", "loss_g 1.25", "loss_d 0.5"):
        assert word in printed[0]
    assert "grad_norm" not in printed[0]
    assert "\r" not in "".join(printed)


def test_progress_in_a_pipe_is_sparse(capsys):
    progress = Progress(1000, 0, batch_size=64, every=3600.0)
    for step in range(1, 1000):
        progress.update(step, {"loss": 1.0})
    assert len(capsys.readouterr().err.splitlines()) <= 1


def test_progress_of_a_run_that_time_ends(capsys):
    progress = Progress(10**9, 0, batch_size=64, every=0.0, seconds=60.0)
    progress.update(50, {"loss": 1.25}, spent=15.0)
    line = capsys.readouterr().err
    assert line.startswith("step 50 (25% of 60 s)")
    assert "0:00:45 left" in line


@pytest.mark.parametrize(
    ("error", "line"),
    [(UserError("loss_d became nan\nat step 3"), "loss_d became nan at step 3"), (OSError(5), "OSError: 5")],
)
def test_the_error_that_ends_a_run_stays_in_its_log(tmp_path, error, line):
    path = tmp_path / "log.txt"
    path.write_text("before\n")
    with pytest.raises(type(error)), error_kept(path):
        raise error
    before, told = path.read_text().splitlines()
    assert before == "before"
    assert told.split(" ", 2)[2] == f"ERROR {line}"
    with error_kept(path):
        pass
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize("resumed_at", [0, 40])
def test_event_files_are_written_by_nobody_else_and_seen_at_once(tmp_path, resumed_at):
    """A thread of TensorBoard's library would cry out where the disk is full, and die."""
    board = TensorBoard(tmp_path, resumed_at)
    assert not [thread for thread in threading.enumerate() if type(thread).__module__.startswith("tensorboardX")]
    board.scalars(50, {"loss": 1.5})
    (path,) = tmp_path.glob("events*")
    seen = [(event.step, value.tag, value.simple_value) for event in events(path) for value in event.summary.value]
    assert seen == [(50, "loss", 1.5)]
    board.close()
