"""Sprites show the factors that they say: each value of each factor is measured in the pixels."""

import numpy as np
import pytest

from jaxgen.data import sprites
from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError
from jaxgen.settings import default

SIZES = tuple(sprites.FACTORS.values())


def opened(**changes):
    config = default.get_config().data
    config.update({"name": "sprites", "image_size": 64, "num_points": 200, **changes})
    return open_dataset(config, progress=False)


def image(shape=0, scale=5, orientation=0, x=16, y=16):
    number = np.ravel_multi_index((shape, scale, orientation, x, y), SIZES)
    return sprites.images_of(np.array([number]))[0, :, :, 0] > 0


def places(image):
    """Rows and columns of the sprite's pixels about their mean."""
    found = np.argwhere(image).astype(float)
    return (found - found.mean(0)).T


def test_there_are_as_many_images_as_combinations():
    assert sprites.COUNT == 737_280
    factors = sprites.factors_of(np.array([0, 1, 32, sprites.COUNT - 1]))
    assert {name: values.tolist() for name, values in factors.items()} == {
        "shape": [0, 0, 0, 2],
        "scale": [0, 0, 0, 5],
        "orientation": [0, 0, 0, 39],
        "x": [0, 0, 1, 31],
        "y": [0, 1, 0, 31],
    }


def test_images_are_of_two_values_and_whole():
    images = sprites.images_of(np.random.default_rng(0).permutation(sprites.COUNT)[:500])
    assert (images.shape, images.dtype) == ((500, 64, 64, 1), np.uint8)
    assert set(np.unique(images)) == {0, 255}
    for x, y in ((0, 0), (31, 31), (0, 31)):
        edge = [image(2, 5, angle, x, y) for angle in range(0, 40, 5)]
        assert len({part.sum() for part in edge}) <= 3  # nothing is cut off; turned pixels differ by a few
        assert np.ptp([part.sum() for part in edge]) < 8


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_x_and_y_move_the_sprite_by_whole_pixels(shape):
    middle = image(shape, orientation=7)
    assert np.array_equal(image(shape, orientation=7, x=21), np.roll(middle, 5, axis=1))
    assert np.array_equal(image(shape, orientation=7, y=13), np.roll(middle, -3, axis=0))


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_the_scale_is_that_of_lengths(shape):
    areas = np.array([image(shape, scale).sum() for scale in range(6)])
    np.testing.assert_allclose(areas / areas[-1], np.linspace(0.5, 1, 6) ** 2, atol=0.04)


def test_the_orientation_turns_the_ellipse_by_nine_degrees():
    for k in range(20):
        rows, columns = places(image(1, 5, k))
        covariance = np.cov(columns, -rows)
        angle = 0.5 * np.arctan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])
        turned = (np.degrees(angle) - 9 * k + 90) % 180 - 90
        assert abs(turned) < 2, (k, turned)


def test_the_heart_points_down_and_turns_all_the_way_round():
    drawn = places_in_box(2, 0)
    assert drawn[-1].sum() < 4
    assert np.abs(np.diff(drawn[0].astype(int))).sum() >= 2  # two lobes, with a gap between them
    assert np.array_equal(drawn, drawn[:, ::-1])
    angles = []
    for k in range(40):
        rows, columns = places(image(2, 5, k))
        third = (rows**2 + columns**2) * np.array([columns, -rows])
        angles.append(np.degrees(np.arctan2(*third.sum(1)[::-1])))
    turned = (np.array(angles) - angles[0] - 9 * np.arange(40) + 180) % 360 - 180
    assert np.abs(turned).max() < 8


def test_shapes_repeat_by_their_symmetry_and_not_earlier():
    for shape, period in enumerate((10, 20, 40)):
        different = {image(shape, 0, angle).tobytes() for angle in range(40)}
        assert len(different) == period
        assert np.array_equal(image(shape, 0, 3), image(shape, 0, (3 + period) % 40))
    # The square really is one: a quarter turn of the pixels changes nothing.
    assert np.array_equal(np.rot90(places_in_box(0, 4)), places_in_box(0, 4))


def places_in_box(shape, orientation):
    rows, columns = np.nonzero(image(shape, 5, orientation))
    return image(shape, 5, orientation)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def test_splits_share_no_image_and_have_their_factors():
    dataset = opened()
    assert dataset.class_names == ("square", "ellipse", "heart")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (len(train.images), len(test.images)) == (200, 20)
    numbers = {}
    for name, split in dataset.splits.items():
        factors = dataset.factors_of(name)
        assert np.array_equal(factors["shape"], split.labels)
        numbers[name] = np.ravel_multi_index(tuple(factors.values()), SIZES)
        assert np.array_equal(sprites.images_of(numbers[name]), split.images)
    assert not set(numbers["train"]) & set(numbers["test"])
    assert opened().info["sha256"] == dataset.info["sha256"] != opened(seed=1).info["sha256"]


def test_factors_are_as_many_as_the_images_that_are_left():
    dataset = opened(limit=15, train_limit=7)
    assert len(dataset.factors_of("train")["x"]) == len(dataset.splits["train"].images) == 7
    assert len(dataset.factors_of("test")["x"]) == 15
    assert opened(name="digits", image_size=8).factors_of("train") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_points": 9}, "sprites take from 10 to 670255"),
        ({"num_points": 670_256}, "670255"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        opened(**changes)
