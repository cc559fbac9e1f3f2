"""An evaluation.json counts only if it is whole. A damaged one is made again, and earlier ones are kept."""

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


def of(content, **changes):
    """The contents with another step, or other keys of the evaluation."""
    again = json.loads(json.dumps(content))
    again["_run"]["step"] = changes.pop("step", again["_run"]["step"])
    again["_run"]["config"]["evaluation"].update(changes)
    again["psnr"]["value"] = 1.0
    return again


def names(folder):
    return sorted(path.name for path in folder.glob("*.json"))


def test_the_same_evaluation_again_replaces_the_file(written):
    folder, _, content = written
    again = of(content)
    evaluation_file.write(folder, again)
    assert names(folder) == ["evaluation.json"]
    assert evaluation_file.read(folder) == again


def test_an_evaluation_of_other_settings_keeps_the_earlier_one(written, caplog):
    folder, _, content = written
    caplog.set_level("INFO")
    evaluation_file.write(folder, of(content, num_samples=7))
    assert json.loads((folder / "evaluation_step_20.json").read_text()) == content
    assert caplog.messages[-1].endswith("is kept as evaluation_step_20.json")
    evaluation_file.write(folder, of(content, num_samples=8))
    assert json.loads((folder / "evaluation_step_20_2.json").read_text()) == of(content, num_samples=7)
    # Back and forth between two settings makes no further files.
    evaluation_file.write(folder, of(content, num_samples=7))
    evaluation_file.write(folder, of(content, num_samples=8))
    assert names(folder) == [
        "evaluation.json",
        *(f"evaluation_step_20{n}.json" for n in ("", "_2", "_3")),
    ]
    assert json.loads((folder / "evaluation_step_20_3.json").read_text()) == of(content, num_samples=8)
    assert evaluation_file.read(folder) == of(content, num_samples=8)


def test_an_evaluation_of_another_checkpoint_keeps_the_earlier_one(written):
    folder, _, content = written
    evaluation_file.write(folder, of(content, step=10))
    evaluation_file.set_aside(folder)
    assert names(folder) == ["evaluation_step_10.json", "evaluation_step_20.json"]
    assert json.loads((folder / "evaluation_step_20.json").read_text()) == content


def test_a_file_of_that_name_that_cannot_be_read_stays(written):
    folder, _, content = written
    (folder / "evaluation_step_20.json").write_text("{")
    evaluation_file.set_aside(folder)
    assert (folder / "evaluation_step_20.json").read_text() == "{"
    assert json.loads((folder / "evaluation_step_20_2.json").read_text()) == content
