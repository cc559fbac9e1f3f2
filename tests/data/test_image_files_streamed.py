"""Images that are read as they are used: the same pixels as in memory, and when which of the two is chosen."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

RNG = np.random.default_rng(0)


def write_images(root, count=12, size=(9, 7), mode="RGB"):
    """`count` random images in two classes; size is PIL's (width, height)."""
    for i in range(count):
        path = root / ("ab"[i % 2]) / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        channels = {"RGB": (3,), "L": ()}[mode]
        Image.fromarray(RNG.integers(0, 256, (*size[::-1], *channels), dtype=np.uint8)).save(path)
    return root


@pytest.fixture
def both(data_config):
    """`both(**changes)` -> the data set held in memory, and streamed."""

    def opened(**changes):
        return [open_dataset(data_config(**changes, streaming=how), progress=False) for how in ("never", "always")]

    return opened


def assert_same(resident, streamed):
    assert resident.class_names == streamed.class_names
    assert list(resident.splits) == list(streamed.splits)
    for name, (images, labels) in resident.splits.items():
        found = streamed.splits[name]
        assert isinstance(images, np.ndarray)
        assert not isinstance(found.images, np.ndarray)
        assert found.images.shape == images.shape
        assert found.images.dtype == np.uint8
        np.testing.assert_array_equal(found.images[:], images)
        np.testing.assert_array_equal(found.images[np.array([2, 0])], images[[2, 0]])
        np.testing.assert_array_equal(found.images.read(1), images[1])
        np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize(
    "changes",
    [{}, {"image_size": 5}, {"image_size": 5, "crop": "none", "resize": "bilinear"}, {"channels": 1}, {"limit": 5}],
)
def test_files_give_the_same_pixels(both, tmp_path, changes):
    root = write_images(tmp_path / "pictures")
    assert_same(*both(name="folder", dir=root, test_fraction=0.4, **changes))


def test_a_zip_gives_the_same_pixels(both, tmp_path):
    root = write_images(tmp_path / "pictures")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in sorted(root.rglob("*.png")):
            archive.write(file, file.relative_to(root).as_posix())
    assert_same(*both(name="folder", dir=tmp_path / "pictures.zip", test_fraction=0.4))


@pytest.mark.parametrize("shape", [(20, 6, 6, 3), (20, 6, 8, 1), (20, 6, 6)])
@pytest.mark.parametrize("labelled", [False, True])
def test_an_array_gives_the_same_pixels(both, tmp_path, shape, labelled):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "big.npy", array)
    if labelled:
        np.save(tmp_path / "big_labels.npy", np.arange(20) % 3)
    resident, streamed = both(name="array", dir=tmp_path / "big.npy", test_fraction=0.2)
    assert_same(resident, streamed)
    left = (shape[2] - 6) // 2
    np.testing.assert_array_equal(
        resident.splits["train"].images, array.reshape(*shape[:3], -1)[:16, :, left : left + 6]
    )
    assert resident.class_names == (("0", "1", "2") if labelled else ())
    if labelled:
        np.testing.assert_array_equal(resident.splits["test"].labels, np.arange(16, 20) % 3)
    assert_same(*both(name="array", dir=tmp_path / "big.npy", test_fraction=0.2, image_size=4, channels=3, limit=4))


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_an_array_in_fortran_order_is_not_streamed(data_config, tmp_path, streaming):
    array = RNG.integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "big.npy", np.asfortranarray(array))
    config = data_config(name="array", dir=tmp_path / "big.npy", test_fraction=0.2, streaming=streaming)
    if streaming == "never":
        found = open_dataset(config, progress=False).splits["train"].images
        np.testing.assert_array_equal(found, array[:16])
    else:
        with pytest.raises(UserError, match=r"big.npy is in Fortran order .* numpy.ascontiguousarray"):
            open_dataset(config, progress=False)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory of mapped files is told by Linux alone")
def test_reading_all_of_an_array_leaves_none_of_it_in_memory(data_config, tmp_path):
    def mapped_mib():
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["RssFile"].split()[0]) / 1024

    np.save(tmp_path / "big.npy", np.zeros((512, 256, 256), np.uint8))  # 32 MiB
    images = open_dataset(data_config(name="array", dir=tmp_path / "big.npy", streaming="always"), progress=False)
    images, before = images.splits["train"].images, mapped_mib()
    for first in range(0, len(images), 32):
        images.read_many(np.arange(len(images))[first : first + 32])
    assert mapped_mib() - before < 8


def test_an_array_that_is_cut_short_or_goes_away_is_named(data_config, tmp_path):
    path = tmp_path / "big.npy"
    np.save(path, np.zeros((20, 6, 5), np.uint8))
    dataset = open_dataset(data_config(name="array", dir=path, streaming="always"), progress=False)
    images = dataset.splits["train"].images
    os.truncate(path, path.stat().st_size - 10 * 30)
    assert images.read_many(np.array([3])).shape == (1, 5, 5, 1)
    with pytest.raises(UserError, match=r"big.npy was cut and now ends before image 12. Restore the file"):
        images.read_many(np.array([3, 12]))
    path.unlink()
    with pytest.raises(UserError, match=r"big.npy can no longer be read \(No such file or directory\). Restore"):
        images.read_many(np.array([3]))


def test_a_folder_of_arrays_has_its_own_splits(both, tmp_path):
    for split, count in (("train", 7), ("test", 5)):
        np.save(tmp_path / f"{split}.npy", RNG.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8))
        np.save(tmp_path / f"{split}_labels.npy", np.arange(count))
    resident, streamed = both(name="array", dir=tmp_path)
    assert_same(resident, streamed)
    assert [len(split.images) for split in resident.splits.values()] == [7, 5]


def test_fewer_to_train_on(both, tmp_path):
    root = write_images(tmp_path / "pictures")
    resident, streamed = both(name="folder", dir=root, test_fraction=0.4, train_limit=3)
    assert_same(resident, streamed)
    assert len(streamed.splits["train"].images) == 3
    np.save(tmp_path / "big.npy", RNG.integers(0, 256, (20, 4, 4, 1), dtype=np.uint8))
    assert_same(*both(name="array", dir=tmp_path / "big.npy", test_fraction=0.2, train_limit=3))


def test_auto_goes_by_the_bytes_of_the_pixels(data_config, tmp_path):
    np.save(tmp_path / "big.npy", np.zeros((2_000, 32, 32, 1), np.uint8))  # 1.95 MiB
    kinds = {}
    for mib in (1, 2):
        config = data_config(name="array", dir=tmp_path / "big.npy", resident_mib=mib)
        dataset = open_dataset(config, progress=False)
        kinds[mib] = isinstance(dataset.splits["train"].images, np.ndarray), "streamed" in dataset.info
    assert kinds == {1: (False, True), 2: (True, False)}


def test_what_was_read_says_which_files_they_were(both, tmp_path):
    root = write_images(tmp_path / "pictures")
    before = both(name="folder", dir=root)[1].info["sha256"]
    assert before == both(name="folder", dir=root)[1].info["sha256"]
    (root / "a" / "00.png").rename(root / "a" / "zz.png")
    assert both(name="folder", dir=root)[1].info["sha256"]["train"] != before["train"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "digits"}, "digits is always held in memory"),
        ({"streaming": "sometimes"}, r"data\.streaming='sometimes' is unknown"),
        ({"skip_bad_images": True}, r"data\.skip_bad_images=True must read all images"),
        ({"dir": "nowhere"}, "there is no such folder"),
        ({"name": "array"}, "needs train.npy"),
    ],
)
def test_refuses(data_config, tmp_path, changes, message):
    root = write_images(tmp_path / "pictures")
    with pytest.raises(UserError, match=message) as error:
        open_dataset(data_config(**{"name": "folder", "dir": root, "streaming": "always", **changes}), progress=False)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "labels", "message"),
    [
        (np.zeros((4, 2, 2, 2), np.uint8), None, r"uint8 \[4, 2, 2, 2\]. Images must be uint8"),
        (np.zeros((4, 2, 2), np.float32), None, "float32"),
        (np.zeros((4, 2, 2), np.uint8), np.zeros(3, int), "must hold 4 whole numbers"),
        (None, None, "is damaged or no .npy file"),
    ],
)
@pytest.mark.parametrize("streaming", ["always", "auto"])
def test_refuses_other_arrays(data_config, tmp_path, array, labels, message, streaming):
    path = tmp_path / "big.npy"
    path.write_bytes(b"broken") if array is None else np.save(path, array)
    if labels is not None:
        np.save(tmp_path / "big_labels.npy", labels)
    with pytest.raises(UserError, match=message):
        open_dataset(data_config(name="array", dir=path, streaming=streaming), progress=False)


def test_a_file_that_went_away_or_has_another_size_is_named(both, tmp_path):
    root = write_images(tmp_path / "pictures")
    streamed = both(name="folder", dir=root)[1].splits["train"].images
    assert streamed.names[1] == "b/01.png"
    Image.new("RGB", (3, 3)).save(root / "b" / "01.png")
    with pytest.raises(UserError, match=r"b/01\.png is 3x3 RGB.*data\.image_size"):
        streamed.read(1)
    (root / "b" / "01.png").unlink()
    with pytest.raises(UserError, match=r"b/01\.png cannot be read"):
        streamed[:]
