import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from jaxgen.metrics import psnr as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.psnr import psnr


def _pairs(n=5, shape=(9, 7, 3)):
    r = np.random.default_rng(0)
    a = r.integers(0, 256, (n, *shape), dtype=np.uint8)
    return a, np.clip(a + r.normal(size=a.shape) * 25, 0, 255).astype(np.uint8)


def _result(a, b, batch_size):
    accumulator = module.start(Context(len(a), len(a), 0, None))
    for i in range(0, len(a), batch_size):
        x, y = jnp.asarray(a[i : i + batch_size]), jnp.asarray(b[i : i + batch_size])
        accumulator.update(OutputBatch(y, len(y), x, None))
    return accumulator.result()


def test_equals_scikit_image():
    a, b = _pairs()
    expected = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(psnr(a, b, 255), expected, rtol=1e-6)


def test_closed_form_and_data_range():
    a, b = np.zeros((1, 4, 4, 1), np.float32), np.full((1, 4, 4, 1), 0.1, np.float32)
    assert psnr(a, b, 1)[0] == pytest.approx(20, abs=1e-5)
    assert psnr(a, b, 2)[0] - psnr(a, b, 1)[0] == pytest.approx(20 * np.log10(2), abs=1e-5)


def test_mean_is_over_decibels_not_over_errors():
    a, b = _pairs()
    values = np.asarray(psnr(a, b, 255))
    result = _result(a, b, 2)
    assert result["value"] == pytest.approx(values.mean(), rel=1e-6)
    assert result["spread"] == pytest.approx(values.std(), rel=1e-5)
    assert result["standard_error"] == pytest.approx(values.std() / np.sqrt(5), rel=1e-5)
    assert result["identical_pairs"] == 0


def test_identical_pairs_are_infinite_and_counted_apart():
    a, b = _pairs()
    expected = _result(a[1:], b[1:], 4)["value"]
    b[0] = a[0]
    assert psnr(a, b, 255)[0] == np.inf
    result = _result(a, b, 3)
    assert result["identical_pairs"] == 1
    assert result["value"] == pytest.approx(expected, rel=1e-6)
    assert "1 of 5" in result["note"]
    assert _result(a, a, 3)["value"] == np.inf
