"""Grids put the right image in the right place."""

import numpy as np
from PIL import Image

from jaxgen.pictures import image_grids


def test_grid_places_images_row_by_row():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 48, 48, 1), np.uint8) * 10
    array = np.asarray(image_grids.grid(images, columns=3))
    assert array.shape == (2 * 50 + 2, 3 * 50 + 2)
    for i in range(6):
        assert np.all(array[2 + i // 3 * 50 :, 2 + i % 3 * 50 :][:48, :48] == 10 * i)
    assert array[0, 0] == 255


def test_small_images_are_enlarged_without_blur():
    images = np.zeros((1, 8, 8, 3), np.uint8)
    images[0, 0, 0] = (10, 20, 30)
    array = np.asarray(image_grids.grid(images, columns=1))
    assert array.shape == (48 + 4, 48 + 4, 3)
    assert np.all(array[2:8, 2:8] == (10, 20, 30))
    assert np.all(array[8:50, 8:50] == 0)


def test_pairs_alternate():
    left, right = np.zeros((2, 48, 48, 1), np.uint8), np.full((2, 48, 48, 1), 200, np.uint8)
    array = np.asarray(image_grids.pairs(left, right, columns=2))
    assert [int(array[10, 10 + 50 * i]) for i in range(4)] == [0, 200, 0, 200]


def test_save_writes_a_png_and_no_leftovers(tmp_path):
    path = tmp_path / "new" / "a.png"
    image_grids.save(image_grids.grid(np.zeros((1, 8, 8, 1), np.uint8), 1), path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]
