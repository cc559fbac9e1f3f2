"""Folders, zips and arrays as people have them: either the right images, or one line that says what is wrong."""

import io
import json
import logging
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError


@pytest.fixture
def opened(data_config, caplog):
    """opened(path, **changes) -> the data set of a folder or zip, and what the log said."""

    def open_(path, name="folder", **changes):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="jaxgen"):
            dataset = open_dataset(data_config(name=name, dir=path, **changes), progress=False)
        return dataset, [record.getMessage() for record in caplog.records]

    return open_


def values(dataset, split="train"):
    return sorted(dataset.splits[split].images[:, 0, 0, 0].tolist())


def test_a_zip_with_a_dot_before_each_path(opened, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for label, first in (("cat", 0), ("dog", 100)):
            for i in range(4):
                file = io.BytesIO()
                Image.new("L", (4, 4), first + i).save(file, "PNG")
                info = zipfile.ZipInfo("x")
                info.filename = f"./{label}//{i}.png"
                archive.writestr(info, file.getvalue())
    dataset, said = opened(tmp_path / "x.zip", labels=True)
    assert dataset.class_names == ("cat", "dog")
    assert values(dataset) == [0, 1, 2, 100, 101, 102]
    assert said == ["data: x: train 6 images (cat 3, dog 3), test 2 images (cat 1, dog 1), 4x4 gray"]


@pytest.mark.parametrize("streaming", ["never", "always"])
@pytest.mark.parametrize("zipped", [False, True])
def test_test_images_of_any_spelling_are_not_trained_on(opened, save_image, tmp_path, zipped, streaming):
    for split, value in (("Training", 10), ("Testing", 20), ("Validation", 30)):
        for i, label in enumerate(("cat", "dog")):
            save_image(tmp_path / "x" / "data" / split / label / "0.png", value + i)
    path = tmp_path / "x"
    if zipped:
        path = tmp_path / "y.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted((tmp_path / "x").rglob("*.png")):
                archive.write(file, file.relative_to(tmp_path / "x").as_posix())
    dataset, said = opened(path, streaming=streaming)
    images = {name: split.images[:] for name, split in dataset.splits.items()}
    assert {name: pixels[:, 0, 0, 0].tolist() for name, pixels in images.items()} == {
        "train": [10, 11],
        "test": [20, 21],
    }
    assert said[-1].endswith("8x8 gray. Left out: 2 images of the split validation")


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_links_called_train_and_test_are_both_read(opened, save_image, tmp_path, streaming):
    for i in range(3):
        save_image(tmp_path / "pool" / f"{i}.png", i)
    (tmp_path / "x").mkdir()
    for name in ("train", "test"):
        (tmp_path / "x" / name).symlink_to(tmp_path / "pool")
    dataset, _ = opened(tmp_path / "x", streaming=streaming)
    assert [len(split.images) for split in dataset.splits.values()] == [3, 3]


def test_every_format_is_read_and_the_rest_is_counted(opened, tmp_path, save_image):
    for i in range(10):
        save_image(tmp_path / f"{i}.jpg", 10)
        save_image(tmp_path / f"{i}.JFIF", 10)
        save_image(tmp_path / f"{i}.tga", 10)
        (tmp_path / f"{i}.heic").write_bytes(b"")
    (tmp_path / "a.jpg.part").write_bytes(b"")
    for _ in range(2):  # read, then from the cache
        dataset, said = opened(tmp_path, test_split="")
        assert len(dataset.splits["train"].images) == 27
        assert said[0].endswith("train 27 images, 8x8 gray. Left out: 3 images of the split test, 10 .heic, 1 .part")


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_12_bits_in_a_file_of_16_are_told(opened, tmp_path, streaming):
    for i in range(5):
        Image.fromarray(np.array([[0, 4001 - i]], np.uint16)).save(tmp_path / f"{i}.png")
    for _ in range(2):
        _, said = opened(tmp_path, streaming=streaming)
        assert len(said) == 2
        assert said[1].startswith(
            "data: folder: the largest value of 5 images with 16 bits is 4,001 of 65,535, so they"
        )
        assert said[1].endswith("multiply the values by 16 and save the files again")


def test_further_frames_are_told(opened, tmp_path, save_image):
    frames = [Image.new("L", (8, 8), i) for i in (7, 8)]
    frames[0].save(tmp_path / "0.gif", save_all=True, append_images=frames[1:])
    save_image(tmp_path / "1.png", 7)
    dataset, said = opened(tmp_path, test_split="", test_fraction=0.0, channels=1)
    assert values(dataset) == [7, 7]
    assert said[1] == "data: folder: 1 files hold several frames or pages. The first of each is read"


@pytest.mark.parametrize("streaming", ["never", "always"])
@pytest.mark.parametrize(
    "modes", [("RGB", "L"), ("L", "RGB"), ("L", "L"), ("RGB", "RGB"), (("L", "RGB"), "L"), ("L", ("RGB", "LA"))]
)
def test_all_splits_have_the_same_channels(opened, tmp_path, save_image, modes, streaming):
    for split, mode in zip(("train", "test"), modes, strict=True):
        for i in range(2):
            save_image(tmp_path / split / f"{i}.png", 0, mode=mode if isinstance(mode, str) else mode[i])
    dataset, _ = opened(tmp_path, streaming=streaming)
    expected = 1 if modes == ("L", "L") else 3
    for split in dataset.splits.values():
        assert split.images.shape[1:] == split.images[:].shape[1:] == (8, 8, expected)
        assert split.images.shape[0] == 2
    if streaming == "always":
        assert dataset.splits["train"].images.read_many(np.array([1, 0])).shape == (2, 8, 8, expected)


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_arrays_of_other_channels_and_sizes(opened, tmp_path, random_images, streaming):
    np.save(tmp_path / "train.npy", random_images((3, 8, 8, 3)))
    np.save(tmp_path / "test.npy", random_images((2, 8, 8, 1)))
    dataset, _ = opened(tmp_path, "array", streaming=streaming)
    assert dataset.splits["test"].images[:].shape == (2, 8, 8, 3)
    np.save(tmp_path / "test.npy", random_images((2, 4, 4, 1)))
    with pytest.raises(UserError, match=r"splits differ in shape: train 8x8 RGB, test 4x4 RGB\. Set data\.image_size"):
        opened(tmp_path, "array", streaming=streaming)
    assert opened(tmp_path, "array", streaming=streaming, image_size=4)[0].splits["test"].images.shape == (2, 4, 4, 3)


@pytest.mark.parametrize("streaming", ["never", "always"])
@pytest.mark.parametrize("at", ["train/1.png", "test/0.png"])
def test_other_sizes_without_an_image_size_are_refused_at_once(opened, tmp_path, save_image, at, streaming):
    for split in ("train", "test"):
        for i in range(2):
            save_image(tmp_path / split / f"{i}.png", 0)
    save_image(tmp_path / at, 0, (9, 12))
    with pytest.raises(UserError, match=r"data\.image_size"):
        opened(tmp_path, streaming=streaming)
    (tmp_path / "test" / "1.png").unlink()
    if at.startswith("test"):  # every split in itself is of one size
        with pytest.raises(UserError, match=r"splits differ in shape: train 8x8 gray, test 9x9 gray"):
            opened(tmp_path, streaming=streaming)
    assert opened(tmp_path, streaming=streaming, image_size=4)[0].splits["test"].images[:].shape == (1, 4, 4, 1)


def test_a_streamed_header_that_is_damaged_is_named_at_once(opened, tmp_path, save_image):
    for i in range(9):
        save_image(tmp_path / f"{i}.png", 0)
    (tmp_path / "4.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"4\.png cannot be read"):
        opened(tmp_path, streaming="always")


def test_sizes_that_the_crop_makes_equal_are_equal(opened, tmp_path, save_image):
    save_image(tmp_path / "0.png", 0, (8, 12))
    save_image(tmp_path / "1.png", 1, (9, 8))
    for streaming in ("never", "always"):
        dataset, _ = opened(tmp_path, streaming=streaming, test_split="", test_fraction=0.0)
        assert dataset.splits["train"].images[:].shape == (2, 8, 8, 1)


def test_a_link_that_leads_nowhere_is_an_unreadable_image(opened, tmp_path, save_image):
    for i in range(5):
        save_image(tmp_path / f"{i}.png", i)
    (tmp_path / "2.png").unlink()
    (tmp_path / "2.png").symlink_to("gone.png")
    with pytest.raises(UserError, match=r"1 of 4 images cannot be read: 2\.png \(a link that leads nowhere\)"):
        opened(tmp_path)
    for _ in range(2):
        dataset, said = opened(tmp_path, skip_bad_images=True)
        assert values(dataset) == [0, 1, 3]
        assert said[1] == "data: folder without 1 unreadable images (2.png)"


def test_dataset_json_with_a_label_of_millions(opened, tmp_path, save_image):
    save_image(tmp_path / "0.png", 0)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["0.png", 20_000_000]]}))
    with pytest.raises(UserError, match="the label 20000000, but 1 images have labels below 100000"):
        opened(tmp_path)


@pytest.mark.parametrize("streaming", ["never", "always"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1, 2], "holds the label -1"),
        ([0, 3_000_000, 1, 2], "the label 3000000, but 4 images have labels below 100000"),
        (np.array([0, 2**64 - 1, 1, 2], np.uint64), "the label 18446744073709551615"),
        ([0.0, 1.0, 2.0, 3.0], r"holds float64 \[4\]\. It must hold 4 whole numbers from 0"),
        ([0.0, float("nan"), 2.0, 3.0], "float64"),
        (["a", "b", "c", "d"], "<U1"),
        ([True, False, True, True], "bool"),
        ([[0], [1], [2], [3]], r"int64 \[4, 1\]"),
        ([0, 1, 2], r"int64 \[3\]"),
        (np.array([0, None, {}, "x"], object), r"x_labels\.npy is damaged or no \.npy file"),
    ],
)
def test_labels_of_an_array_that_are_no_class_numbers(opened, tmp_path, random_images, labels, message, streaming):
    np.save(tmp_path / "x.npy", random_images((4, 4, 4, 1)))
    np.save(tmp_path / "x_labels.npy", labels, allow_pickle=True)
    with pytest.raises(UserError, match=message):
        opened(tmp_path / "x.npy", "array", streaming=streaming)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|u1'}", b"junk"])
@pytest.mark.parametrize("which", ["x.npy", "x_labels.npy"])
def test_a_damaged_array_is_one_line(opened, tmp_path, random_images, content, which):
    for name in ("x.npy", "x_labels.npy"):
        np.save(tmp_path / name, random_images((4, 4, 4, 1)) if name == "x.npy" else np.arange(4))
    (tmp_path / which).write_bytes(content)
    with pytest.raises(UserError, match=rf"{which} (is damaged|cannot be read: it is an \.npz)"):
        opened(tmp_path / "x.npy", "array")


def test_an_npz_is_refused_with_the_mend(opened, tmp_path, random_images):
    np.savez(tmp_path / "x.npz", images=random_images((4, 4, 4, 1)))
    with pytest.raises(UserError, match=r"x\.npz cannot be read: it is an \.npz\. Save each of its arrays as \.npy"):
        opened(tmp_path / "x.npz", "array")


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_a_misspelt_file_of_labels_is_told(opened, tmp_path, random_images, streaming):
    for split in ("train", "test"):
        np.save(tmp_path / f"{split}.npy", random_images((2, 8, 8, 3)))
    np.save(tmp_path / "train_label.npy", np.arange(2))
    _, said = opened(tmp_path, "array", streaming=streaming)
    assert said[0].endswith("train 2 images, test 2 images, 8x8 RGB. Left out: 1 train_label.npy")


@pytest.mark.parametrize("name", ["folder", "array"])
def test_a_test_share_near_one_leaves_training_images(opened, tmp_path, save_image, random_images, name):
    for i in range(2):
        save_image(tmp_path / f"{i}.png", i)
    np.save(tmp_path / "x.npy", random_images((2, 4, 4, 1)))
    dataset, _ = opened(tmp_path if name == "folder" else tmp_path / "x.npy", name, test_fraction=0.9)
    assert [len(split.images) for split in dataset.splits.values()] == [1, 1]


def test_names_that_are_no_text(opened, tmp_path, save_image):
    file = save_image(tmp_path / "0.png", 0)
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\n")
    try:
        os.mkdir(odd)
    except OSError:
        pytest.skip("this file system has names of text alone")
    os.rename(file, odd + "/0.png")
    save_image(tmp_path / "b" / "1.png", 1)
    for streaming in ("never", "always"):
        dataset, said = opened(tmp_path, test_split="", streaming=streaming)
        assert dataset.class_names == ("a\\udcff\\n", "b")
        assert "\n" not in said[0]
    (tmp_path / "b" / "1.png").write_bytes(b"")
    os.rename(odd + "/0.png", odd + "/\udcff.png")
    for file in (odd + "/\udcff.png", str(tmp_path / "b" / "1.png")):
        with open(file, "wb") as opened_file:
            opened_file.write(b"no image")
    with pytest.raises(UserError, match=r"2 of 2 images cannot be read: a\\udcff\\n/\\udcff\.png"):
        opened(tmp_path, test_split="")
