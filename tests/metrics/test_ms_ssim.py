import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from jaxgen.errors import UserError
from jaxgen.metrics import ms_ssim as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.ms_ssim import ms_ssim, scale_weights

WANG = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _pairs(shape, seed=0):
    """Smooth images with texture, and copies with more and more noise; the last pair is unrelated."""
    r = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, shape[1] * shape[2]).reshape(1, shape[1], shape[2], 1)
    a = ramp + r.normal(size=shape) * 20
    b = a + r.normal(size=shape) * np.linspace(0, 60, shape[0]).reshape(-1, 1, 1, 1)
    b[-1] = 255 * r.uniform(size=shape[1:])
    return np.clip(a, 0, 255), np.clip(b, 0, 255)


def _ssim_map(x, y, data_range):
    """scikit-image's SSIM map of one channel, whole windows only."""
    _, full = structural_similarity(
        *(x, y), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range, full=True
    )
    return full[5:-5, 5:-5]


def _structure_map(x, y, data_range):
    """Contrast-structure term: scikit-image's SSIM divided by the luminance term, which is made here."""
    c1 = (0.01 * data_range) ** 2
    mean_x, mean_y = (gaussian_filter(z, 1.5, radius=5)[5:-5, 5:-5] for z in (x, y))
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return _ssim_map(x, y, data_range) / luminance


def _halved(x):
    """Wang's own: mean of each pixel with its right, lower and lower right neighbours, then every second one."""
    return uniform_filter(x, 2, mode="reflect", origin=-1)[::2, ::2]


def _expected(a, b, data_range, scales):
    """Wang et al. 2003 with the 'product' of mean terms, channel by channel, in float64."""
    weights = np.array(WANG[:scales]) / sum(WANG[:scales])
    out = []
    for x, y in zip(a.astype(np.float64), b.astype(np.float64), strict=True):
        channels = []
        for c in range(x.shape[-1]):
            u, v, value = x[..., c], y[..., c], 1.0
            for scale, weight in enumerate(weights):
                last = scale == scales - 1
                term = (_ssim_map if last else _structure_map)(u, v, data_range).mean()
                value *= max(term, 0) ** weight
                u, v = _halved(u), _halved(v)
            channels.append(value)
        out.append(np.mean(channels))
    return np.array(out)


CASES = [((5, 32, 32, 3), 2), ((3, 28, 28, 1), 2), ((3, 64, 64, 1), 3), ((3, 45, 63, 3), 3), ((2, 161, 163, 1), 5)]


@pytest.mark.parametrize(("shape", "scales"), CASES)
def test_equals_independent_definition(shape, scales):
    a, b = _pairs(shape)
    expected = _expected(a, b, 255, scales)
    assert 0 <= expected.min() < expected.max() - 0.05
    np.testing.assert_allclose(ms_ssim(a.astype(np.float32), b.astype(np.float32), 255), expected, atol=1e-4)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ms_ssim(a, b, 255), expected, atol=1e-6)


def test_uint8_and_other_ranges():
    a, b = (x.astype(np.uint8) for x in _pairs((4, 32, 32, 3), seed=1))
    expected = _expected(a, b, 255, 2)
    np.testing.assert_allclose(ms_ssim(a, b, 255), expected, atol=1e-4)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ms_ssim(a / 255, b / 255, 1), expected, atol=1e-6)


def test_identical_is_one_symmetric_and_negative_is_zero():
    a, b = (x.astype(np.uint8) for x in _pairs((4, 32, 32, 3)))
    np.testing.assert_allclose(ms_ssim(a, a, 255), np.ones(4), atol=1e-6)
    np.testing.assert_allclose(ms_ssim(a, b, 255), ms_ssim(b, a, 255), atol=1e-5)
    # A negative of a pattern has negative structure at every scale.
    np.testing.assert_array_equal(ms_ssim(a, 255 - a, 255), np.zeros(4))


@pytest.mark.parametrize(
    ("side", "scales"), [(10, 0), (20, 1), (21, 2), (32, 2), (41, 3), (64, 3), (160, 4), (161, 5), (1024, 5)]
)
def test_scales_and_weights(side, scales):
    weights = scale_weights((side, side + 5, 3))
    assert len(weights) == scales
    if scales:
        np.testing.assert_allclose(weights, np.array(WANG[:scales]) / sum(WANG[:scales]))


def test_too_small_is_refused_with_the_reason():
    a = np.zeros((1, 20, 32, 1), np.uint8)
    with pytest.raises(UserError, match="20x32 are smaller than 21x21, the size of two scales"):
        ms_ssim(a, a, 255)
    assert "two scales" in module.unsuitable((20, 32, 1))
    assert module.unsuitable((21, 32, 1)) is None


@pytest.mark.parametrize("batch_size", [2, 5])
def test_accumulator(batch_size):
    a, b = (x.astype(np.uint8) for x in _pairs((5, 32, 32, 3)))
    accumulator = module.start(Context(5, 5, 0, image_shape=(32, 32, 3)))
    for i in range(0, 5, batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), 4)
        accumulator.update(OutputBatch(jnp.asarray(b[ids]), min(batch_size, 5 - i), jnp.asarray(a[ids]), None))
    result = accumulator.result()
    expected = _expected(a, b, 255, 2)
    assert result["value"] == pytest.approx(expected.mean(), abs=1e-4)
    assert result["spread"] == pytest.approx(expected.std(), abs=1e-4)
    assert result["standard_error"] == pytest.approx(expected.std() / np.sqrt(5), abs=1e-4)
    assert (result["scales"], result["data_range"]) == (2, 255)
    np.testing.assert_allclose(result["weights"], scale_weights((32, 32, 3)), atol=1e-6)
