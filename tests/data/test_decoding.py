import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxgen.data import decoding


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
    pixels = decoding.from_pil(image)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, 2, len(expected))
    assert pixels[1, 1].tolist() == expected


def test_palette_is_looked_up_and_its_transparency_composited():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decoding.from_pil(image)[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    file = io.BytesIO()
    image.save(file, "PNG", transparency=1)
    assert decoding.from_pil(Image.open(file))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_transparent_gray_stays_gray():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 7]], np.uint8)).save(file, "PNG", transparency=7)
    assert decoding.from_pil(Image.open(file))[0].tolist() == [[0], [255]]


def test_16_bit_png_from_a_file():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(file, "PNG")
    assert decoding.from_pil(Image.open(file))[0, :, 0].tolist() == [0, 1, 255]


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to view
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255, 255]] * 2, np.uint8)).save(file, "PNG", exif=exif)
    pixels = decoding.from_pil(Image.open(file))
    assert pixels.shape == (4, 2, 1)
    assert pixels[:, 0, 0].tolist() == [0, 255, 255, 255]


@pytest.mark.parametrize("image", [pil("F", 0.5), pil("I", 70000), pil("I", -1)])
def test_pixels_without_an_agreed_range_are_refused(image):
    with pytest.raises(ValueError, match=r"pixels"):
        decoding.from_pil(image)


def encoded(array, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def tiff_of_12_bits(values):
    """A TIFF of one row, BitsPerSample 12: two values in three bytes. Written by hand, since Pillow cannot."""
    bits = "".join(f"{value:012b}" for value in values)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tags = [(256, 4, len(values)), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, 1), (279, 4, len(data))]
    folder = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    return b"II*\x00" + struct.pack("<I", 8 + len(data)) + data + folder + bytes(4)


def test_a_tiff_that_says_12_bits_is_scaled_by_them():
    pixels, notes = decoding.decoded(tiff_of_12_bits([0, 4095, 2048, 16]))
    assert pixels[0, :, 0].tolist() == [0, 255, 128, 1]
    assert notes == {}


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (encoded(np.array([[0, 255]], np.uint8)), {}),
        (encoded(np.array([[0, 4001]], np.uint16)), {"deep": 1, "largest": 4001}),
        (encoded(np.array([[0, 65535]], np.uint16)), {"deep": 1, "largest": 65535}),
        (encoded(np.array([[0, 200]], np.int32), "TIFF"), {"deep": 1, "largest": 200}),
        (b"P5 2 1 4095\n\x00\x00\x0f\xff", {"deep": 1, "largest": 65535}),  # a PGM says what is white
    ],
)
def test_values_of_16_bits_are_noted(content, notes):
    assert decoding.decoded(content)[1] == notes


def test_colours_of_16_bits_are_noted_too():
    # Written by hand, since Pillow cannot.
    row = struct.pack(">B6H", 0, 4095, 0, 100, 7, 8, 9)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    pixels, notes = decoding.decoded(png)
    assert pixels.shape == (1, 2, 3)
    assert notes == {"deep": 1, "largest": 4095}


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("frames", [1, 3])
def test_further_frames_are_noted_and_the_first_is_read(kind, frames):
    images = [Image.new("L", (4, 3), 80 * i) for i in range(frames)]
    file = io.BytesIO()
    images[0].save(
        file, kind, save_all=True, append_images=images[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    pixels, notes = decoding.decoded(file.getvalue())
    assert (pixels == 0).all()
    assert notes == ({"several": 1} if frames > 1 else {})


def test_a_damaged_second_frame_leaves_the_first():
    images = [Image.new("L", (40, 30), 80 * i) for i in range(2)]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:])
    pixels, _ = decoding.decoded(file.getvalue()[:-12])
    assert pixels.shape[:2] == (30, 40)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("TIFF", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "CMYK")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    ],
)
def test_a_header_tells_the_shape(kind, mode):
    file = io.BytesIO()
    Image.new(mode, (5, 3)).save(file, kind)
    file.seek(0)
    assert decoding.header_of(file) == decoding.decoded(file.getvalue())[0].shape


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_header_tells_a_rotation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (5, 3)).save(file, kind, exif=exif)
    file.seek(0)
    assert decoding.header_of(file) == decoding.decoded(file.getvalue())[0].shape


def test_a_reason_is_one_line_without_paths_and_addresses():
    assert decoding.reason_of(PermissionError(13, "Permission denied", "/long/path")) == "Permission denied"
    assert decoding.reason_of(ValueError("a\nb <_io.BytesIO object at 0x7f>")) == "a b"
    assert decoding.reason_of(EOFError()) == "EOFError"
