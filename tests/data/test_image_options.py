import numpy as np
import pytest
from PIL import Image

from jaxgen.data import image_options


def test_gray_is_pils_luma_and_rgb_is_repetition(random_images):
    rgb = random_images((5, 16, 16, 3))
    gray = image_options.set_channels(rgb, 1)
    np.testing.assert_array_equal(gray[2, ..., 0], np.asarray(Image.fromarray(rgb[2]).convert("L")))
    np.testing.assert_array_equal(image_options.set_channels(gray, 3)[..., 2], gray[..., 0])


def test_center_crop_takes_the_middle_square(data_config):
    images = np.arange(7, dtype=np.uint8).reshape(1, 1, 7, 1).repeat(3, axis=1)
    assert image_options.apply(images, data_config())[0, 0, :, 0].tolist() == [2, 3, 4]
    assert image_options.apply(images, data_config(crop="none")).shape == (1, 3, 7, 1)
    assert image_options.apply(images, data_config(crop="none", image_size=4)).shape == (1, 4, 4, 1)


@pytest.mark.parametrize("name", sorted(image_options.FILTERS))
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_pils(data_config, random_images, name, channels):
    images = random_images((130, 10, 10, channels))  # more than two chunks of threads
    out = image_options.apply_all(images, data_config(image_size=6, resize=name))
    for i in (0, 129):
        image = Image.fromarray(images[i] if channels == 3 else images[i, ..., 0])
        expected = np.asarray(image.resize((6, 6), image_options.FILTERS[name]))
        np.testing.assert_array_equal(out[i].squeeze(), expected)


def test_images_that_fit_are_returned_unchanged(data_config, random_images):
    images = random_images((3, 8, 8, 1))
    np.testing.assert_array_equal(image_options.apply_all(images, data_config(image_size=8, channels=1)), images)
