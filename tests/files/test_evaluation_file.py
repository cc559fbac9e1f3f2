"""An evaluation.json counts only if it is whole; a damaged one is told of and made again."""

import json

import pytest

from jaxgen.files import evaluation_file
from jaxgen.settings.configuration import to_dict


@pytest.fixture
def written(tmp_path, tiny_config):
    config = tiny_config()
    run = {"config": to_dict(config), "step": 20, "timing": {"step_seconds": 1.0}}
    content = {"psnr": {"value": 20.0}, "ssim": {"value": None}, "_skipped": {}, "_run": run}
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    return tmp_path, config, content


def test_a_whole_file_is_finished(written):
    folder, config, content = written
    assert evaluation_file.read(folder) == content
    assert evaluation_file.is_finished(folder, config)


@pytest.mark.parametrize("data", [b"", b'{"psnr": ', b'{"psnr": "\xff"}', b"[]", None])
def test_a_damaged_file_is_told_of_once_and_none(written, caplog, data):
    folder, config, _ = written
    path = folder / "evaluation.json"
    path.unlink()
    path.mkdir() if data is None else path.write_bytes(data)
    for _ in range(2):
        assert evaluation_file.read(folder) is None
        assert not evaluation_file.is_finished(folder, config)
    (line,) = caplog.messages
    assert line.startswith(f"{path} is unreadable: ")
    assert line.endswith("The checkpoint is evaluated again")
    evaluation_file.set_aside(folder)
    assert (folder / "evaluation_step_unknown.json").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("_run",), None),
        (("_run", "step"), "20"),
        (("_run", "step"), float("inf")),
        (("_run", "config"), 5),
        (("_run", "config", "evaluation"), []),
        (("psnr",), 20.0),
        (("psnr", "value"), "20.0"),
    ],
)
def test_values_of_another_kind_are_none(written, place, value):
    folder, config, content = written
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (folder / "evaluation.json").write_text(json.dumps(content))
    assert evaluation_file.read(folder) is None
    assert not evaluation_file.is_finished(folder, config)


@pytest.mark.parametrize("timing", [None, [], {"step_seconds": "x"}])
def test_an_unknown_time_finishes_no_budget(written, timing):
    folder, config, content = written
    content["_run"] |= {"timing": timing, "step": 10}
    (folder / "evaluation.json").write_text(json.dumps(content))
    config.budget.seconds = 1.0
    assert not evaluation_file.is_finished(folder, config)
