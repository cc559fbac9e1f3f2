import importlib.util
import io
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with sets as tensorflow-datasets prepares them, written without TensorFlow."""
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.core.example_serializer import ExampleSerializer

    root = tmp_path_factory.mktemp("tfds")

    def png(value):
        file = io.BytesIO()
        Image.new("RGB", (6, 4), (value, 0, 0)).save(file, "PNG")
        return file.getvalue()

    def write(name, features, example):
        folder = root / name / "1.0.0"
        folder.mkdir(parents=True)
        serializer = ExampleSerializer(features.get_serialized_info())
        splits = []
        for split, n in (("train", 5), ("test", 3)):
            records = [serializer.serialize_example(example(i)) for i in range(n)]
            writer = ArrayRecordWriter(f"{folder}/{name}-{split}.array_record-00000-of-00001", "group_size:1")
            for record in records:
                writer.write(record)
            writer.close()
            splits.append(tfds.core.SplitInfo(name=split, shard_lengths=[n], num_bytes=sum(map(len, records))))
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file to the garbage collector
            tfds.folder_dataset.write_metadata(
                data_dir=folder, features=features, split_infos=splits, filename_template=template, check_data=False
            )

    image = tfds.features.Image(shape=(None, None, 3))
    label = tfds.features.ClassLabel(names=["even", "odd"])
    number = tfds.features.Scalar(np.int64)
    write(
        "labelled",
        tfds.features.FeaturesDict({"image": image, "label": label}),
        lambda i: {"image": png(i), "label": i % 2},
    )
    write("photos", tfds.features.FeaturesDict({"photo": image}), lambda i: {"photo": png(i)})
    write("numbers", tfds.features.FeaturesDict({"value": number}), lambda i: {"value": i})
    write(
        "pairs",
        tfds.features.FeaturesDict({"before": image, "after": image}),
        lambda i: {"before": png(i), "after": png(i)},
    )
    return root


@pytest.fixture
def opened(data_config, prepared):
    return lambda name, **changes: open_dataset(data_config(name=name, dir=prepared, **changes), progress=False)


def test_reads_without_tensorflow(opened):
    dataset = opened("tfds:labelled", labels=True)
    assert dataset.class_names == ("even", "odd")
    assert dataset.info["version"] == "1.0.0"
    for split, n in (("train", 5), ("test", 3)):
        images, labels = dataset.splits[split]
        assert images.shape == (n, 4, 4, 3)
        assert images[:, 0, 0, 0].tolist() == list(range(n))
        assert labels.tolist() == [i % 2 for i in range(n)]
    assert "tensorflow" not in sys.modules


def test_options_and_cache(opened, prepared):
    first = opened("tfds:labelled", image_size=2, crop="none", limit=2)
    assert first.splits["train"].images.shape == (2, 2, 2, 3)
    assert len(first.info["files"]) == 2
    again = opened("tfds:labelled", image_size=2, crop="none", limit=2)
    np.testing.assert_array_equal(first.splits["train"].images, again.splits["train"].images)


def test_image_feature_of_another_name_and_no_labels(opened):
    dataset = opened("tfds:photos")
    assert dataset.splits["train"].images[:, 0, 0, 0].tolist() == list(range(5))
    assert dataset.splits["train"].labels is None
    with pytest.raises(UserError, match="has no labels"):
        opened("tfds:photos", labels=True)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("tfds:numbers", {}, "tfds:numbers: this set has no image feature. Its features: value"),
        ("tfds:pairs", {}, r"several images an example \((before, after|after, before)\)"),
        ("tfds:labelled", {"test_split": "val"}, r"test_split='val': tfds:labelled has the splits train, test"),
        ("tfds:mnits", {}, "tensorflow-datasets has no set 'mnits'. Near it: mnist"),
        ("tfds:zzzzqqqq", {}, "no set 'zzzzqqqq'. Names are at https"),
        ("tfds:mnist/none", {}, r"data\.name='tfds:mnist/none': .*BuilderConfig none not found"),
        ("tfds:mnist:9.9.9", {}, r"data\.name='tfds:mnist:9\.9\.9': .*cannot be loaded at version 9\.9\.9"),
        ("tfds", {}, "data.name=tfds needs the name of a set, such as tfds:mnist"),
        ("tfds:", {}, "data.name=tfds needs the name of a set"),
        ("tfds:mnist", {"download": False}, r"tfds:mnist is not prepared in .* and data\.download=False"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(opened, name, changes, message):
    with pytest.raises(UserError, match=message) as error:
        opened(name, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_preparing_without_tensorflow_names_the_pip_command(opened):
    with pytest.raises(UserError, match=r"preparing it needs TensorFlow: pip install 'jaxgen\[tfds\]'"):
        opened("tfds:mnist", download=True)


def test_a_failed_preparation_is_one_line(opened, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(self, **kwargs):
        assert kwargs["file_format"] == "array_record"
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError, match=r"preparing tfds:mnist failed: no network \(archives got by hand go into "):
        opened("tfds:mnist", download=True)
