"""timing.json and alarms.json of a run, read back."""

import json
import math

import pytest

from jaxgen.training import alarms, run
from jaxgen.training.checkpoint_ranks import meta_checksum

SECONDS = {"compile": 3.0, "step": 2.0, "data": 0.5, "evaluation": 0.0, "samples": 0.25, "checkpoint": 0.125}


@pytest.fixture
def folder(tmp_path, tiny_config):
    """A work directory with timing.json and a checkpoint's JSON."""
    meta = {"step": 20, "seconds": SECONDS, "flops_per_step": 1e6}
    (tmp_path / "checkpoints/20/meta").mkdir(parents=True)
    (tmp_path / "checkpoints/20/meta/metadata").write_text(json.dumps({**meta, "meta_checksum": meta_checksum(meta)}))
    (tmp_path / "timing.json").write_text('{"step_seconds": 2.0, "host_peak_memory_mb": 100.0, "new": null}')
    return tmp_path


def test_a_whole_file_of_times_comes_back(folder, tiny_config, caplog):
    timing = run.recorded_timing(tiny_config(), folder, 20)
    assert timing == {"step_seconds": 2.0, "host_peak_memory_mb": 100.0, "new": None}
    assert caplog.messages == []


@pytest.mark.parametrize("data", [b"", b'{"step_sec', b"\xff", b"[]", b'{"step_seconds": "2"}', None, "folder"])
def test_damaged_times_come_from_the_checkpoint(folder, tiny_config, caplog, data):
    path = folder / "timing.json"
    path.unlink()
    if data == "folder":
        path.mkdir()
    elif data is not None:
        path.write_bytes(data)
    assert run.recorded_timing(tiny_config(), folder, 20) == {
        **{f"{kind}_seconds": value for kind, value in SECONDS.items()},
        "step_ms": 100.0,  # 2 s for 20 steps
        "images_per_s": 160.0,  # of 16 images
        "flops_per_step": 1e6,
    }
    (line,) = caplog.messages
    assert line.startswith(f"{path} is ")
    assert "Its times come from the checkpoint" in line


def test_without_a_whole_checkpoint_the_times_are_unknown(folder, tiny_config, caplog):
    (folder / "timing.json").write_text("")
    meta = folder / "checkpoints/20/meta/metadata"
    meta.write_text(meta.read_text().replace("3.0", "4.0"))
    assert run.recorded_timing(tiny_config(), folder, 20) == {}
    assert "The times of the training are unknown here" in caplog.text


def test_an_untrained_network_has_no_times(tmp_path, tiny_config, caplog):
    assert run.recorded_timing(tiny_config(), tmp_path, 0) == {}
    assert caplog.messages == []
    assert run.speed_of(tiny_config(), SECONDS, math.nan, 0)["flops_per_step"] is None


EVENT = {"alarm": "divergence", "step": 10, "since": 5, "message": "divergence at step 10", "ended": 15}


def test_alarms_come_back_as_of_a_step(tmp_path):
    (tmp_path / "alarms.json").write_text(json.dumps({"events": [EVENT, {**EVENT, "step": 20, "ended": None}]}))
    assert alarms.recorded(tmp_path, 12) == [{**EVENT, "ended": None}]
    assert alarms.recorded(tmp_path, 15) == [EVENT]
    assert alarms.recorded(tmp_path / "nowhere", 15) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"events": [',
        "[]",
        "{}",
        '{"events": {}}',
        '{"events": [3]}',
        json.dumps({"events": [{**EVENT, "step": "10"}]}),
        json.dumps({"events": [{key: value for key, value in EVENT.items() if key != "ended"}]}),
    ],
)
def test_damaged_alarms_are_unknown_with_a_line(tmp_path, caplog, content):
    (tmp_path / "alarms.json").write_text(content)
    assert alarms.recorded(tmp_path, 20) is None
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path / 'alarms.json'} is unreadable: ")
