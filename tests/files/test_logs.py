"""metrics.jsonl survives kills; the progress line survives a pipe."""

import json
import logging

import pytest

from jaxgen.errors import UserError
from jaxgen.files.logs import MetricsFile, Progress, end_log, error_kept, hold_log, rows_until, start_log


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def test_rows_join_the_lines_of_a_step_and_leave_out_what_a_kill_left(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert list(rows_until(path, 10)) == []
    file = MetricsFile(path, 0, seed=3)
    for seed in (3, 4):
        file.write(10, {"loss": seed / 3}, seed)
    file.write(10, {"psnr": 7.0})
    file.write(20, {"loss": 5.0})
    file.write(30, {"loss": 6.0})
    file.close()
    with open(path, "a") as damaged:
        damaged.write('{"step": 20, "lo')
    assert list(rows_until(path, 20)) == [
        (10, {3: {"loss": 1.0, "psnr": 7.0}, 4: {"loss": 4 / 3}}),
        (20, {3: {"loss": 5.0}}),
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


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (b"\n", "1 damaged line"),
        (b"garbage\n", "1 damaged line"),
        (b'{"step": 15, "seed": 0, "lo\n', "1 damaged line"),
        (b'{"step": 15, "seed": 0, "loss": "\xff"}\n{"loss": 1.0}\n', "2 damaged lines"),
        (b"[10]\n", "1 damaged line"),
        (b'{"step": "10", "seed": 0}\n', "1 damaged line"),
        (b'{"step": 15, "seed": 0, "loss": [1]}\n', "1 damaged line"),
    ],
)
def test_whole_lines_beside_damaged_ones_stay(tmp_path, caplog, damage, said):
    path = tmp_path / "metrics.jsonl"
    first, second = (f'{{"step": {step}, "seed": 0, "loss": 1.5}}\n' for step in (10, 20))
    path.write_bytes(first.encode() + damage + second.encode())
    before = path.read_bytes()
    assert dict(rows_until(path, 20)) == {10: {0: {"loss": 1.5}}, 20: {0: {"loss": 1.5}}}
    MetricsFile(path, 20, seed=0, every=10).close()
    assert path.read_text() == first + second
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == before
    (line,) = caplog.messages
    assert f"{path}: {said}. Its whole lines stay, and metrics.jsonl.damaged holds the file as it was" in line


def test_another_version_s_line_is_whole(tmp_path, caplog):
    """No seed yet, or further numbers."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 10, "loss": 1}\n{"step": 20, "seed": null, "new": NaN, "none": null}\n')
    before = path.read_text()
    MetricsFile(path, 20, seed=0, every=10).close()
    assert path.read_text() == before
    assert caplog.messages == []


def test_a_file_cut_short_says_which_lines_are_lost(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 10, "seed": 0, "loss": 1.5}\n{"step": 20, "se')
    MetricsFile(path, 25, seed=0, every=10).close()
    assert caplog.messages == [f"{path}: its last whole line is of step 10. The lines up to step 20 are lost"]


def test_a_folder_in_its_place_is_set_aside(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    for name in ("metrics.jsonl", "metrics.jsonl.damaged"):
        (tmp_path / name).mkdir()
    assert dict(rows_until(path, 20)) == {}
    MetricsFile(path, 0, seed=0, every=10).close()
    assert path.read_text() == ""
    assert (tmp_path / "metrics.jsonl.damaged_2").is_dir()
    assert "a folder is in its place" in caplog.text


def test_what_is_said_before_the_file_is_there_comes_first_in_it(tmp_path, capfd):
    log = logging.getLogger("jaxgen.data")
    hold_log()
    log.info("what was read")
    log.debug("nothing for people")
    assert capfd.readouterr().err == ""
    start_log(tmp_path / "log.txt", show=True)
    log.info("what was done")
    end_log()
    said = [line.split(" INFO ")[1] for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert said == ["what was read", "what was done"]
    assert capfd.readouterr().err.split("\n")[:2] == said  # each once


def test_what_was_held_goes_with_an_error(tmp_path, capfd):
    hold_log()
    logging.getLogger("jaxgen.data").info("what was read")
    end_log()
    start_log(tmp_path / "log.txt", show=False)
    end_log()
    assert (tmp_path / "log.txt").read_text() == ""
    assert capfd.readouterr().err == ""
