import numpy as np
import pytest
from PIL import Image

from jaxgen.metrics.extractors.input_paths import PATHS, network_input

SIDE = 299
SIZES = [(32, 32), (20, 31), (299, 299), (512, 400), (1, 1), (300, 7)]


def _images(height, width, channels=3, n=1):
    r = np.random.default_rng(height)
    images = r.integers(0, 256, (n, height, width, channels), dtype=np.uint8)
    images[:, ::2, : width // 2] = 255  # edges and saturated stripes: bicubic overshoots there
    return images


def _gray_levels(images, path):
    """What the network sees, back in gray levels."""
    return np.asarray(network_input(images, PATHS[path], SIDE)) * PATHS[path].divisor + PATHS[path].offset


def _tf1(image):
    """TensorFlow 1's kernel, pixel by pixel: float32 throughout, rows within columns."""
    height, width, _ = image.shape
    image = image.astype(np.float32)

    def neighbours(i, size):
        source = np.float32(i) * (np.float32(size) / np.float32(SIDE))
        low = int(source)
        return low, min(low + 1, size - 1), source - np.float32(low)

    out = np.zeros((SIDE, SIDE, image.shape[2]), np.float32)
    for y in range(SIDE):
        top, bottom, dy = neighbours(y, height)
        for x in range(SIDE):
            left, right, dx = neighbours(x, width)
            above = image[top, left] + (image[top, right] - image[top, left]) * dx
            below = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * dx
            out[y, x] = above + (below - above) * dy
    return out


@pytest.mark.parametrize("size", [(32, 32), (20, 31), (512, 400)], ids=str)
def test_tf1_equals_its_kernel(size):
    images = _images(*size)
    np.testing.assert_allclose(_gray_levels(images, "tf1")[0], _tf1(images[0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pytorch_equals_interpolate(size):
    torch = pytest.importorskip("torch")
    images = _images(*size)
    x = torch.tensor(images).permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(_gray_levels(images, "pytorch"), expected.permute(0, 2, 3, 1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_clean_equals_pillow_in_float(size):
    images = _images(*size)
    channels = [Image.fromarray(images[0, :, :, c].astype(np.float32), mode=None) for c in range(3)]
    resized = np.stack([np.asarray(c.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for c in channels], -1)
    if size == (32, 32):
        assert resized.max() > 256  # so the clipping is tested too
    np.testing.assert_allclose(_gray_levels(images, "clean")[0], resized.clip(0, 255), rtol=0, atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_scale(path):
    """Black, white and one gray, resized without change, as the network sees them."""
    for value in (0, 100, 255):
        got = network_input(np.full((1, 5, 9, 1), value, np.uint8), PATHS[path], SIDE)
        assert got.shape == (1, SIDE, SIDE, 3)
        expected = 2 * value / 255 - 1 if path == "pytorch" else (value - 128) / 128
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("path", PATHS)
def test_grayscale_is_repeated_and_the_right_size_kept(path):
    gray = _images(SIDE, SIDE, 1)
    got = _gray_levels(gray, path)
    np.testing.assert_allclose(got, np.repeat(gray, 3, -1), rtol=0, atol=2e-5)


def test_the_paths_differ_as_published():
    """By many gray levels between TensorFlow 1's grid and the half-pixel one."""
    images = _images(32, 32)
    difference = np.abs(_gray_levels(images, "tf1") - _gray_levels(images, "pytorch")).max()
    assert difference > 80
