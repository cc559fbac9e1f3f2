import io

import numpy as np
import pytest
from PIL import Image

from jaxgen.data import image_options


def pil(mode, value, size=(2, 2)):
    return Image.new(mode, size, value)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (pil("L", 7), [7]),
        (pil("1", 1), [255]),
        (pil("RGB", (1, 2, 3)), [1, 2, 3]),
        (pil("RGBA", (10, 20, 30, 255)), [10, 20, 30]),
        (pil("RGBA", (10, 20, 30, 0)), [255, 255, 255]),
        (pil("RGBA", (0, 0, 0, 51)), [204, 204, 204]),
        (pil("LA", (10, 0)), [255]),
        (pil("LA", (10, 255)), [10]),
        (pil("CMYK", (0, 0, 0, 255)), [0, 0, 0]),
        (pil("I;16", 65535), [255]),
        (pil("I;16", 257 * 9 + 128), [9]),
        (pil("I;16", 257 * 9 + 129), [10]),
        (pil("I", 257), [1]),
    ],
)
def test_every_mode_becomes_gray_or_rgb_bytes(image, expected):
    pixels = image_options.from_pil(image)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, 2, len(expected))
    assert pixels[1, 1].tolist() == expected


def test_palette_is_looked_up_and_its_transparency_composited():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert image_options.from_pil(image)[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    file = io.BytesIO()
    image.save(file, "PNG", transparency=1)
    assert image_options.from_pil(Image.open(file))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_transparent_gray_stays_gray():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 7]], np.uint8)).save(file, "PNG", transparency=7)
    assert image_options.from_pil(Image.open(file))[0].tolist() == [[0], [255]]


def test_16_bit_png_from_a_file():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(file, "PNG")
    assert image_options.from_pil(Image.open(file))[0, :, 0].tolist() == [0, 1, 255]


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to view
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255, 255]] * 2, np.uint8)).save(file, "PNG", exif=exif)
    pixels = image_options.from_pil(Image.open(file))
    assert pixels.shape == (4, 2, 1)
    assert pixels[:, 0, 0].tolist() == [0, 255, 255, 255]


@pytest.mark.parametrize("image", [pil("F", 0.5), pil("I", 70000), pil("I", -1)])
def test_pixels_without_an_agreed_range_are_refused(image):
    with pytest.raises(ValueError, match=r"pixels"):
        image_options.from_pil(image)


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
