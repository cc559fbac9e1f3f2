import numpy as np
import pytest

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

SOURCE = """
import numpy as np
from jaxgen.data.base import Dataset, Split
loads = []
def load(config):
    loads.append(1)
    images = np.arange(6 * 4 * 6 * 3, dtype=np.{dtype}).reshape(6, 4, 6, 3)
    split = Split(images, {labels})
    return Dataset("mine", {{"train": split, "test": split}}, ("a", "b"), {{}})
"""


@pytest.fixture
def own_source(tmp_path, monkeypatch):
    """Writes a module of the user's own and returns its import path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, dtype="uint8", labels="np.arange(6) % 2", more=""):
        (tmp_path / "own_sources").mkdir(exist_ok=True)
        (tmp_path / "own_sources" / f"{name}.py").write_text(SOURCE.format(dtype=dtype, labels=labels) + more)
        return f"own_sources.{name}"

    yield write
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "own_sources"]:
        del sys.modules[name]


def test_options_of_the_config_reach_the_images(data_config):
    dataset = open_dataset(data_config(image_size=16, channels=3, limit=50), progress=False)
    train = dataset.splits["train"]
    assert train.images.shape == (50, 16, 16, 3)
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int32
    assert len(dataset.splits["test"].images) == 50
    assert dataset.info["options"]["image_size"] == 16


def test_the_callers_config_is_left_as_it_was(data_config):
    config = data_config()
    with config.unlocked():
        del config.progress
    open_dataset(config, progress=False)
    assert "progress" not in config


def test_own_source_by_import_path_is_cropped_and_resized(data_config, own_source):
    dataset = open_dataset(data_config(name=own_source("plain"), image_size=2), progress=False)
    assert dataset.splits["train"].images.shape == (6, 2, 2, 3)
    assert dataset.splits["train"].labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_own_source_with_files_is_cached_until_a_file_changes(data_config, own_source, tmp_path):
    import importlib

    (tmp_path / "raw").write_text("1")
    name = own_source("cached", more=f"\ndef files(config):\n    return [{str(tmp_path / 'raw')!r}]\n")
    first = open_dataset(data_config(name=name), progress=False)
    again = open_dataset(data_config(name=name), progress=False)
    loads = importlib.import_module(name).loads
    assert len(loads) == 1
    np.testing.assert_array_equal(first.splits["train"].images, again.splits["train"].images)
    (tmp_path / "raw").write_text("12")
    open_dataset(data_config(name=name), progress=False)
    assert len(loads) == 2


def test_content_hash_tells_sets_apart(data_config):
    hashes = [open_dataset(data_config(limit=n), progress=False).info["sha256"]["train"] for n in (5, 5, 6)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_fewer_images_to_train_on_leave_the_test_split_whole(data_config):
    whole, part = (open_dataset(data_config(train_limit=n), progress=False) for n in (0, 7))
    assert len(part.splits["train"].images) == len(part.splits["train"].labels) == 7
    np.testing.assert_array_equal(part.splits["train"].images, whole.splits["train"].images[:7])
    np.testing.assert_array_equal(part.splits["test"].images, whole.splits["test"].images)
    assert part.info["sha256"]["test"] == whole.info["sha256"]["test"]
    assert part.info["sha256"]["train"] != whole.info["sha256"]["train"]
    assert part.info["options"]["train_limit"] == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "digit"}, r"data\.name='digit' is unknown: did you mean 'digits'\?"),
        ({"name": "no_such.module"}, "no module 'no_such' can be imported"),
        ({"train_split": "extra"}, r"data\.train_split='extra': digits has the splits train, test"),
        ({"test_split": "val"}, r"data\.test_split='val': digits has the splits train, test"),
        ({"train_split": ""}, r"data\.train_split=''"),
        ({"crop": "centre"}, r"data\.crop='centre' is unknown: did you mean 'center'\?"),
        ({"resize": "linear"}, r"data\.resize='linear' is unknown"),
        ({"channels": 4}, r"data\.channels=4: must be 0"),
        ({"image_size": -1}, r"data\.image_size=-1"),
        ({"limit": -1}, r"data\.limit=-1"),
        ({"train_limit": -1}, r"data\.train_limit=-1"),
        ({"train_limit": 5, "test_split": "train"}, r"data\.train_limit=5 would also cut the reference images"),
        ({"test_fraction": 1.0}, r"data\.test_fraction=1\.0"),
    ],
)
def test_wrong_options_are_one_clear_line(data_config, changes, message):
    with pytest.raises(UserError, match=message) as error:
        open_dataset(data_config(**changes), progress=False)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"dtype": "float32"}, "images of float32"),
        ({"labels": "np.arange(5)"}, r"labels of int64 \[5\]\. They must be integers \[6\]"),
        ({"labels": "np.arange(6) / 2"}, "labels of float64"),
        ({"labels": "np.arange(6)"}, "labels from 0 to 5. They must lie below the number of class names, 2"),
    ],
)
def test_what_an_own_source_returns_is_checked(data_config, own_source, made, message):
    name = own_source("bad_" + "".join(c for c in message if c.isalnum()), **made)
    with pytest.raises(UserError, match=message):
        open_dataset(data_config(name=name), progress=False)


def test_own_source_without_load_is_named(data_config, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loadless_package").mkdir()
    (tmp_path / "loadless_package" / "source.py").write_text("")
    with pytest.raises(UserError, match=r"loadless_package\.source has no load\(\)"):
        open_dataset(data_config(name="loadless_package.source"), progress=False)


def test_labels_asked_for_but_missing(data_config, own_source):
    name = own_source("unlabelled", labels="None")
    assert open_dataset(data_config(name=name), progress=False).splits["train"].labels is None
    with pytest.raises(UserError, match=r"data\.labels=True, but the split 'train'"):
        open_dataset(data_config(name=name, labels=True), progress=False)


def test_an_empty_test_split_loads_none(data_config):
    assert list(open_dataset(data_config(test_split=""), progress=False).splits) == ["train"]
