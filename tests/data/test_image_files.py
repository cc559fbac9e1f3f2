import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.container import open_container
from jaxgen.data.image_files import ImageFiles, folder_labels
from jaxgen.errors import UserError


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    return tmp_path, pixels


def _open(path, **options):
    container = open_container(path)
    return ImageFiles(container, container.names, str(path), **options)


def test_it_indexes_like_the_array_of_its_images(folder):
    path, pixels = folder
    images = _open(path)
    assert (len(images), images.shape, images.dtype) == (5, (5, 6, 7, 3), np.uint8)
    for ids in (np.array([3, 0, 3]), slice(1, 4), np.array([], int), np.array([4], np.int32)):
        assert np.array_equal(images[ids], pixels[ids])


def test_channels_are_converted(folder):
    path, _ = folder
    gray = _open(path, channels=1)[np.arange(5)]
    assert gray.shape == (5, 6, 7, 1)
    with Image.open(path / "2.png") as image:
        assert np.array_equal(gray[2, ..., 0], np.asarray(image.convert("L")))


def test_another_size_or_mode_is_named(folder):
    path, _ = folder
    Image.new("RGB", (9, 6)).save(path / "3.png")
    with pytest.raises(UserError, match=r"0\.png is 7x6 RGB, 3\.png is 9x6 RGB"):
        _open(path)[np.arange(5)]
    Image.new("L", (7, 6)).save(path / "3.png")
    with pytest.raises(UserError, match=r"3\.png is 7x6 gray.*--channels"):
        _open(path)[np.array([3])]
    assert _open(path, channels=3)[np.array([3])].shape == (1, 6, 7, 3)


def test_a_damaged_file_in_a_zip_is_named(folder, tmp_path):
    path, _ = folder
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(path / "0.png", "a/0.png")
        archive.writestr("a/1.png", (path / "1.png").read_bytes()[:60])
        archive.writestr("a/2.png", b"no image")
    images = _open(tmp_path / "x.zip")
    assert images[np.array([0])].shape == (1, 6, 7, 3)
    with pytest.raises(UserError, match=r"a/1\.png cannot be read"):
        images[np.array([0, 1])]
    with pytest.raises(UserError, match=r"a/2\.png cannot be read \(cannot identify image file\)\. Replace"):
        images[np.array([2])]


def test_the_digest_follows_content_order_and_channels(folder):
    path, _ = folder
    container = open_container(path)
    digest = ImageFiles(container, container.names, "x").digest()
    assert digest == _open(path).digest()
    assert digest != ImageFiles(container, container.names[::-1], "x").digest()
    assert digest != _open(path, channels=1).digest()
    Image.new("RGB", (7, 6)).save(path / "4.png")
    assert digest != _open(path).digest()


def test_labels_are_the_folders():
    labels, classes = folder_labels(["cat/1.png", "dog/1.png", "cat/2.png"])
    assert labels.tolist() == [0, 1, 0]
    assert classes == ("cat", "dog")
    assert folder_labels(["1.png", "2.png"]) == (None, ())
    assert folder_labels(["only/1.png", "only/2.png"]) == (None, ())
    assert folder_labels(["cat/1.png", "dog/1.png", "loose.png"]) == (None, ())
