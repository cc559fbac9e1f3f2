"""Splits and classes from paths alone. No file is there."""

import io
import json

import pytest

from jaxgen.data.container import Container
from jaxgen.data.layouts import held_out, list_images
from jaxgen.errors import UserError


def listed(*names, files=None, test_fraction=0.0):
    """The listing of a container with these files; `files` have a content."""
    contents = dict.fromkeys(names, b"") | {name: text.encode() for name, text in (files or {}).items()}
    container = Container(sorted(contents), lambda name: io.BytesIO(contents[name]), {})
    return list_images(container, test_fraction, "x")


def found(listing):
    """{split: {class: images}}, with the last parts of the paths."""
    result = {}
    for split, entries in listing.splits.items():
        for name, label in entries:
            result.setdefault(split, {}).setdefault(label, []).append(name.split("/")[-1])
    return {split: {label: sorted(names) for label, names in classes.items()} for split, classes in result.items()}


@pytest.mark.parametrize("prefix", ["", "data/", "a/b/"])
@pytest.mark.parametrize(
    ("train", "test", "name"),
    [
        ("train", "test", "test"),
        ("Training", "Testing", "test"),
        ("TRAIN", "VAL", "val"),
        ("training set", "testing set", "test"),
        ("train2017", "val2017", "val"),
        ("Train", "Validation", "validation"),
        ("TrainingSet", "valid", "valid"),
    ],
)
def test_split_folders_in_any_spelling(prefix, train, test, name):
    paths = [f"{prefix}{split}/{label}/{split[1]}.png" for split in (train, test) for label in ("cat", "dog")]
    listing = listed(*paths)
    assert found(listing) == {
        split: {label: [f"{folder[1]}.png"] for label in ("cat", "dog")}
        for split, folder in (("train", train), (name, test))
    }
    assert listing.class_names == ("cat", "dog")


def test_training_alone_is_divided_and_testing_alone_is_no_training_set():
    assert found(listed("Training/a/0.png", "Training/a/1.png", test_fraction=0.5)) == {
        "train": {"a": ["0.png"]},
        "test": {"a": ["1.png"]},
    }
    assert found(listed("x/Testing/0.png", test_fraction=0.5)) == {"test": {None: ["0.png"]}}


def test_inside_a_split_folder_train_is_a_class():  # as among the classes of CIFAR-100
    listing = listed("train/train/0.png", "train/apple/0.png", "test/train/0.png", "test/apple/0.png")
    assert listing.class_names == ("apple", "train")
    assert listed("train/train/0.png", "train/apple/0.png").class_names == ("apple", "train")


def test_valid_and_invalid_are_classes():
    assert listed("valid/0.png", "invalid/1.png").class_names == ("invalid", "valid")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a/0.png", "test/a/0.png", "cat/0.png"], r"split folders \(test, train\) and also cat\. Move"),
        (["Training/a/0.png", "cat/0.png"], r"split folders \(Training\) and also cat"),
        (["test/0.png", "cat/0.png", "dog/0.png"], r"split folders \(test\) and also cat, dog"),
        (["train/0.png", "test/0.png", "0.png"], "and also loose images"),
        (["d/train/0.png", "d/test/0.png", "d/0.png"], r"x: d/ has split folders .* and also loose images"),
        (["trainA/0.png", "testA/0.png"], "folders testA and trainA, which look like splits"),
        (["cat/train/0.png", "cat/test/0.png", "dog/train/0.png"], r"inside other folders \(cat/test, cat/train\)"),
        (["cat/test/0.png", "cat/0.png", "dog/0.png"], r"inside other folders \(cat, cat/test\)"),
        (["cat/a/b/Testing/0.png", "dog/0.png"], r"inside other folders \(cat/a/b/Testing, dog\)"),
        (["train/0.png", "Train/0.png", "test/0.png"], "the folders Train and train both are the split train"),
        (["train/0.png", "training set/0.png"], "both are the split train"),
    ],
)
def test_splits_that_can_be_read_two_ways_are_refused(names, message):
    with pytest.raises(UserError, match=message):
        listed(*names)


def test_one_split_everywhere_is_no_ambiguity():
    assert listed("cat/train/0.png", "dog/train/0.png").class_names == ("cat", "dog")


def test_what_is_no_image_is_counted_by_ending():
    names = [*(f"cat/{i}.jfif" for i in range(6)), "cat/0.JPG", "cat/0.heic", "cat/1.heic", "a.TXT", "b"]
    listing = listed(*names)
    assert found(listing)["train"] == {None: ["0.JPG", *(f"{i}.jfif" for i in range(6))]}
    assert listing.left_out == {".heic": 2, ".txt": 1, "without an ending": 1}
    with pytest.raises(UserError, match=r"x holds no images .* It holds 2 \.heic, 1 \.txt"):
        listed("0.heic", "1.heic", "a.txt")
    with pytest.raises(UserError, match="It holds nothing"):
        listed()


def test_dataset_json_in_each_split():
    files = {
        "train/dataset.json": json.dumps({"labels": [["a/0.png", 0], ["1.png", 2]]}),
        "test/dataset.json": json.dumps({"labels": [["0.png", 2]]}),
    }
    listing = listed("train/a/0.png", "train/1.png", "test/0.png", files=files)
    assert found(listing) == {"train": {"0": ["0.png"], "2": ["1.png"]}, "test": {"2": ["0.png"]}}
    assert listing.class_names == ("0", "1", "2")


def test_dataset_json_above_split_folders():
    labels = {"labels": [["train/0.png", 0], ["train/1.png", 1], ["test/0.png", 1]]}
    listing = listed("train/0.png", "train/1.png", "test/0.png", files={"dataset.json": json.dumps(labels)})
    assert found(listing) == {"train": {"0": ["0.png"], "1": ["1.png"]}, "test": {"1": ["0.png"]}}
    assert listing.left_out == {}


def test_a_dataset_json_that_is_not_used_is_told():
    listing = listed("cat/0.png", "dog/0.png", files={"cat/dataset.json": "{}"})
    assert listing.class_names == ("cat", "dog")
    assert listing.left_out == {"cat/dataset.json (not above all images)": 1}


def test_the_nearest_dataset_json_counts():
    files = {"dataset.json": '{"labels": [["a/0.png", 1]]}', "a/dataset.json": '{"labels": [["0.png", 0]]}'}
    assert found(listed("a/0.png", files=files)) == {"train": {"0": ["0.png"]}}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["0.png", 20_000_000], ["1.png", 0]], "holds the label 20000000, but 2 images have labels below 100000"),
        ([["0.png", 10**30], ["1.png", 0]], "but 2 images have labels below"),
        ([["0.png", -1], ["1.png", 0]], "the label -1"),
        ([["0.png", 1.0], ["1.png", 0]], r"the label 1\.0"),
        ([["0.png", float("nan")], ["1.png", 0]], "the label nan"),
        ([["0.png", True], ["1.png", 0]], "the label True"),
        ([["0.png", "1"], ["1.png", 0]], "the label '1'"),
        ([["0.png", None], ["1.png", 0]], "the label None"),
        ([["0.png", [[0] * 99]], ["1.png", 0]], r"the label \[\[0, .{60,80}\.\.\.\."),
        ([["0.png", 0], ["1.png", 0], ["./0.png", 1]], r"gives \./0\.png two labels, 0 and 1"),
        ([["0.png", 0]], r"no label for 1 images, such as 1\.png"),
        ([["0.png"], ["1.png", 0]], r"an entry is \['0\.png'\]"),
        ([[0, 0], ["1.png", 0]], "an entry is"),
        (["0.png", "1.png"], "an entry is '0.png'"),
        ({"0.png": 0, "1.png": 1}, "labels: {'0.png': 0"),
        ("01", "labels: '01'"),
        (7, "labels: 7"),
    ],
)
def test_labels_that_are_no_class_numbers(labels, message):
    with pytest.raises(UserError, match=message) as error:
        listed("0.png", "1.png", files={"dataset.json": json.dumps({"labels": labels})})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "\x00", "[" * 100_000, '{"labels": ' + "9" * 5000 + "}"])
def test_a_dataset_json_of_another_form(text):
    with pytest.raises(UserError, match=r"dataset\.json is not"):
        listed("0.png", files={"dataset.json": text})


def test_entries_without_a_file_are_counted():
    labels = [["0.png", 0], ["lost/1.png", 1], ["./b//1.png", 1], ["b\\2.png", 1]]
    listing = listed("0.png", "b/1.png", "b/2.png", files={"dataset.json": json.dumps({"labels": labels})})
    assert listing.left_out == {"entries of dataset.json without a file": 1}
    assert found(listing)["train"] == {"0": ["0.png"], "1": ["1.png", "2.png"]}


def test_a_damaged_dataset_json_in_a_zip_is_one_line():
    def fail(name):
        raise RuntimeError("File 'dataset.json' is encrypted, password required for extraction")

    with pytest.raises(UserError, match=r"dataset\.json is not .*encrypted"):
        list_images(Container(["0.png", "dataset.json"], fail, {}), 0.1, "x")


@pytest.mark.parametrize(
    ("count", "fraction", "held"),
    [(10, 0.1, 1), (10, 0.25, 2), (10, 0.0, 0), (1, 0.9, 0), (2, 0.9, 1), (2, 0.01, 1), (10, 0.99, 9), (0, 0.5, 0)],
)
def test_the_test_split_is_a_share_and_never_all(count, fraction, held):
    assert held_out(count, fraction) == held
