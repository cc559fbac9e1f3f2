"""TensorBoard's files: written at once, and whole after a kill."""

import threading

import pytest
from PIL import Image

from jaxgen.trackers.base import TrackedRun
from jaxgen.trackers.tensorboard import TensorBoard, open_tracker
from tests.helpers.event_files import events, shown


@pytest.mark.parametrize("resumed_at", [None, 0, 40])
def test_event_files_are_written_by_nobody_else_and_seen_at_once(tmp_path, resumed_at):
    """A thread of TensorBoard's library would cry out where the disk is full, and die."""
    board = TensorBoard(tmp_path, {}, resumed_at)
    assert not [thread for thread in threading.enumerate() if type(thread).__module__.startswith("tensorboardX")]
    board.row(50, {"loss": 1.5}, {})
    (path,) = tmp_path.glob("events*")
    seen = [(event.step, value.tag, value.simple_value) for event in events(path) for value in event.summary.value]
    assert seen == [(50, "loss", 1.5)]
    board.close(True)


@pytest.mark.parametrize("resumed_at", [0, 20])
def test_what_a_killed_run_wrote_of_later_steps_is_hidden(tmp_path, monkeypatch, resumed_at):
    run = TrackedRun(tmp_path, "", 0, tmp_path, {}, 0)
    killed = open_tracker(run)
    assert killed.held == -1
    for step in (10, 20, 30):
        killed.row(step, {"loss": step}, {"samples": Image.new("P", (4, 4))})
    monkeypatch.setattr("time.time", lambda: 4e9)  # files are told apart by their second
    board = open_tracker(run._replace(resumed_at=resumed_at))
    assert board.held == resumed_at
    for step in (10, 20, 30):
        if step > board.held:
            board.row(step, {"loss": 100 + step}, {})
    board.close(False)
    again = {0: [110, 120, 130], 20: [10, 20, 130]}[resumed_at]
    assert shown(tmp_path / "tensorboard")["loss"] == [(10, again[0]), (20, again[1]), (30, again[2])]


def test_an_evaluation_of_before_is_not_shown_twice(tmp_path, monkeypatch):
    counts = []
    for second, again in enumerate((False, True, False)):
        monkeypatch.setattr("time.time", lambda second=second: 4e9 + second)
        board = open_tracker(TrackedRun(tmp_path, "", 0, tmp_path, {"steps": 5}, None))
        board.final(5, {"psnr": 20.0}, {"step_ms": 3.0}, [], again)
        board.close(None)
        curves = shown(tmp_path / "tensorboard")
        counts.append((len(curves["final/psnr"]), len(curves["timing/step_ms"])))
    assert counts == [(1, 1), (1, 1), (2, 2)]
    assert shown(tmp_path / "tensorboard" / "hparams")["psnr"] == [(0, 20.0)] * 2
