import io

import pytest
from PIL import Image, features

from jaxgen.data.image_formats import is_image, open_image, suffixes


@pytest.mark.parametrize(
    "name",
    ["a.png", "a.PNG", "d/a.jfif", "a.Jpe", "a.jp2", "a.tga", "a.dib", "a.pnm", "a.apng", "a.mpo", "a.ico", "a.qoi"],
)
def test_what_pillow_reads_is_an_image(name):
    assert is_image(name)


@pytest.mark.parametrize(
    "name", ["a.heic", "a.svg", "a.mpg", "a.h5", "a.eps", "a.pdf", "a.txt", "png", "a.png.txt", "a.", "", "x.png/a"]
)
def test_films_drawings_and_the_rest_are_none(name):
    assert not is_image(name)


def test_every_ending_has_a_reader():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes())
    assert (".avif" in suffixes()) == features.check("avif")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "TGA", "ICO", "PCX", "SGI", "DDS"])
def test_files_of_these_formats_are_opened(kind):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(file, kind)
    file.seek(0)
    assert open_image(file).size == (16, 16)
