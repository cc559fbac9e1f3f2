"""What is wrong with a JSON file stands in words."""

from pathlib import Path

import pytest

from jaxgen.settings import configuration, default, json_file


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b'{"a": 1,\n "b', "cut short or damaged at line 2"),
        (b'{"a": 1}\n{"b": 2}\n', "cut short or damaged at line 2"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"\x00\x00", "damaged at line 1"),
        (b"[1, 2]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"[" * 100_000, "damaged"),
        (b'{"a": ' + b"1" * 5000 + b"}", "damaged"),
    ],
)
def test_each_damage_has_its_words(tmp_path, data, words):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(json_file.Damaged, match=words):
        json_file.read_object(tmp_path / "a.json")


def test_a_folder_a_closed_file_and_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(json_file.Damaged, match="a folder is in its place"):
        json_file.read_object(tmp_path / "folder")
    for missing in (tmp_path / "b.json", tmp_path / "a.json" / "b.json"):
        with pytest.raises(FileNotFoundError):
            json_file.read_object(missing)

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", closed)  # root may read everything
    with pytest.raises(json_file.Damaged, match="Permission denied"):
        json_file.read_object(tmp_path / "a.json")


def test_a_mark_of_windows_editors_is_no_damage(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}\r\n')
    assert json_file.read_object(tmp_path / "a.json") == {"a": "é"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("batch_size", "64", r'config.batch_size is "64", where a value like 64 is due'),
        ("batch_size", True, "config.batch_size is true"),
        ("batch_size", None, "config.batch_size is null"),
        ("batch_size", 64.5, "config.batch_size is 64.5"),
        ("data", "digits", 'config.data is "digits" and no group of keys'),
        ("report", 1, "config.report is 1"),
        ("trackers", "tensorboard", "config.trackers"),
        ("evaluation", {"metrics": 3}, r"config.evaluation.metrics is 3"),
    ],
)
def test_a_value_of_another_type_is_named(key, value, words):
    config = configuration.to_dict(default.get_config())
    assert configuration.misfit(config) == ""
    assert words in configuration.misfit({**config, key: value})


def test_another_version_fits():
    """Keys may be missing or unknown, and a whole number is a real one."""
    config = configuration.to_dict(default.get_config())
    del config["steps"], config["data"]["name"]
    config |= {"unknown": [1], "budget": {"seconds": 3}}
    assert configuration.misfit(config) == ""
    assert configuration.misfit(None) == "it holds no config"
