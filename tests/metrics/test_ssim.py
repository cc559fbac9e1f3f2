import jax
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jaxgen.errors import UserError
from jaxgen.metrics.ssim import ssim


def _pairs(shape, seed=0):
    """Smooth images with flat black, flat white and textured parts, and noisy copies."""
    r = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, shape[1] * shape[2]).reshape(1, shape[1], shape[2], 1)
    a = ramp + r.normal(size=shape) * 20
    a[0], a[1, :, : shape[2] // 2] = 0, 255
    b = a + r.normal(size=shape) * np.linspace(0, 60, shape[0]).reshape(-1, 1, 1, 1)
    return np.clip(a, 0, 255), np.clip(b, 0, 255)


def _skimage(a, b, data_range):
    return [
        structural_similarity(
            *(x, y),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=data_range,
            channel_axis=-1,
        )
        for x, y in zip(a.astype(np.float64), b.astype(np.float64), strict=True)
    ]


@pytest.mark.parametrize("shape", [(6, 32, 32, 3), (4, 28, 28, 1), (3, 11, 17, 1), (2, 70, 64, 3)])
def test_uint8_equals_scikit_image(shape):
    a, b = (x.astype(np.uint8) for x in _pairs(shape))
    np.testing.assert_allclose(ssim(a, b, 255), _skimage(a, b, 255), atol=1e-5)


def test_range_of_two_and_float64_equal_scikit_image():
    a, b = (x / 127.5 - 1 for x in _pairs((4, 24, 24, 3), seed=1))
    expected = _skimage(a, b, 2)
    np.testing.assert_allclose(ssim(a.astype(np.float32), b.astype(np.float32), 2), expected, atol=1e-5)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ssim(a, b, 2), expected, atol=1e-10)


def test_identical_is_one_and_symmetric():
    a, b = (x.astype(np.uint8) for x in _pairs((4, 20, 20, 3)))
    # Compilers may round the two sides of the quotient apart.
    np.testing.assert_allclose(ssim(a, a, 255), np.ones(4, np.float32), atol=1e-5)
    np.testing.assert_allclose(ssim(a, b, 255), ssim(b, a, 255), atol=1e-5)


def test_images_smaller_than_the_window_are_refused():
    a = np.zeros((1, 10, 32, 1), np.uint8)
    with pytest.raises(UserError, match="10x32 are smaller than SSIM's 11x11"):
        ssim(a, a, 255)
