"""A run goes on with its own data only, wherever they lie now."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgen.errors import UserError
from jaxgen.files import data_record, workdir
from jaxgen.runs import restoring, run_data, session
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import run_config
from jaxgen.settings.configuration import to_dict


def _images(folder, seed=0):
    """Twenty images of noise, named by their numbers."""
    folder.mkdir()
    for i, image in enumerate(np.random.default_rng(seed).integers(0, 256, (20, 8, 8), np.uint8)):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(params=["never", "always"])
def begun(request, tmp_path, tiny_config):
    """A run that has begun on a folder of images (in memory or streamed): its work directory and config."""
    config = tiny_config()
    config.data.update({"name": "folder", "dir": str(_images(tmp_path / "data")), "limit": 0})
    config.data.update({"cache_dir": str(tmp_path / "cache"), "streaming": request.param})
    folder = tmp_path / "run"
    folder.mkdir()
    workdir.bind(folder, config, _facts(config))
    return folder, config


def _facts(config):
    """The facts about the data, as `session.provenance` has them."""
    info = run_data.open_data(config.data, None).info
    return {"data": json.loads(json.dumps(info, default=str)), "example_shape": [8, 8, 1], "num_classes": 0}


def _at(config, folder):
    moved = config.copy_and_resolve_references()
    moved.data.dir = str(folder)
    return moved


def _others(folder: Path):
    """The same names with other pixels."""
    shutil.rmtree(folder)
    _images(folder, seed=1)


def _fewer(folder: Path):
    (folder / "07.png").unlink()


def test_the_same_data_in_another_place_pass_and_the_place_is_noted(begun, tmp_path):
    folder, config = begun
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    moved = _at(config, tmp_path / "moved")
    workdir.bind(folder, moved, _facts(moved))
    contents = json.loads((folder / "config.json").read_text())
    assert contents["config"]["data"]["dir"] == str(tmp_path / "moved")
    assert all(str(tmp_path / "data") not in json.dumps(files) for files in contents["data"]["files"])
    assert run_config.read(folder).data.dir == str(tmp_path / "moved")


@pytest.mark.parametrize("change", [_others, _fewer])
def test_other_data_are_refused_by_a_resumption(begun, tmp_path, change):
    folder, config = begun
    before = (folder / "config.json").read_bytes()
    shutil.copytree(tmp_path / "data", tmp_path / "other")
    change(tmp_path / "other")
    other = _at(config, tmp_path / "other")
    with pytest.raises(UserError, match="the data are not those of the run") as refused:
        workdir.bind(folder, other, _facts(other))
    line = str(refused.value)
    assert f"--workdir={folder}" in line
    assert f"data.dir='{tmp_path / 'data'}'" in line
    assert f"data.dir='{tmp_path / 'other'}'" in line
    assert "--config.data.dir" in line
    assert (folder / "config.json").read_bytes() == before


def test_changed_files_in_the_same_place_are_refused(begun, tmp_path):
    folder, config = begun
    _others(tmp_path / "data")
    with pytest.raises(UserError, match="the data are not those of the run"):
        workdir.bind(folder, config, _facts(config))


def test_other_data_are_refused_by_every_mode_and_source_that_opens_them(begun, tmp_path, tiny_config):
    folder, config = begun
    _images(tmp_path / "other", seed=1)
    other = _at(config, tmp_path / "other")
    with (
        pytest.raises(UserError, match="the data are not those of the run"),
        restoring.open_finished(other, folder, "latest"),
    ):
        pass
    options = Options(data_dir=str(tmp_path / "other"))
    with pytest.raises(UserError, match=rf"run:{folder}: the data are not those of the run.*--data_dir"):
        open_source(f"run:{folder}", options, "--real")
    # `--mode=sample` opens the data late: for a fitted density of latents, say.
    recorded = data_record.of_run(workdir.read(folder), "run")
    closed = session.open_session(other, needs_images=False, known=((8, 8, 1), 0), recorded=recorded)
    with pytest.raises(UserError, match="the data are not those of the run"):
        _ = closed.train


def test_settings_that_change_the_data_are_refused_by_their_names(begun):
    folder, config = begun
    for key, value in (
        ("limit", 5),
        ("resize", "nearest"),
        ("test_fraction", 0.5),
        ("train_limit", 3),
        ("crop", "none"),
    ):
        other = config.copy_and_resolve_references()
        other.data[key] = value
        with pytest.raises(UserError, match=rf"config\.data\.{key}: .* there and {value!r} now"):
            workdir.check(folder, other)


def test_runs_of_early_versions_and_converted_networks_have_nothing_to_compare(tiny_config):
    plain = to_dict(tiny_config())
    present = {"sha256": {"train": "b"}}
    for contents in (
        {},
        {"data": {}},
        {"data": "digits"},
        {"data": {"sha256": ["a"]}},
        {"data": {"sha256": {"train": 3}}},
    ):
        data_record.require(data_record.of_run({"config": plain, **contents}, "run"), present, "")
    record = {"data": {"sha256": {"train": "a"}}}
    with pytest.raises(UserError, match="not those of the run"):
        data_record.require(data_record.of_run({"config": plain, **record}, "run"), present, "")
    plain["data"]["name"] = "none"
    data_record.require(data_record.of_run({"config": plain, **record}, "run"), present, "")
