from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

from jaxgen.metrics import parzen as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.parzen import choose_sigma, log_density


def _direct(points, samples, sigma):
    """The formula in float64, written out."""
    points, samples = np.asarray(points, np.float64), np.asarray(samples, np.float64)
    squared = ((points[:, None] - samples[None]) ** 2).sum(-1)
    exponent = -squared / (2 * sigma**2)
    top = exponent.max(1, keepdims=True)
    dimensions = samples.shape[1]
    return top[:, 0] + np.log(np.exp(exponent - top).mean(1)) - dimensions * np.log(sigma * np.sqrt(2 * np.pi))


def test_equals_the_formula_in_float64_across_chunks(monkeypatch):
    r = np.random.default_rng(0)
    points, samples = r.uniform(size=(23, 30)), r.uniform(size=(57, 30))
    monkeypatch.setattr(module, "_CHUNK", 10)
    sigmas = np.array([0.05, 0.2, 1.0])
    expected = np.stack([_direct(points, samples, sigma) for sigma in sigmas])
    np.testing.assert_allclose(log_density(points, samples, sigmas), expected, atol=2e-3)
    np.testing.assert_allclose(log_density(points, samples, sigmas)[1:], expected[1:], atol=2e-4)


def test_equals_scipy_and_scikit_learn():
    r = np.random.default_rng(1)
    points, samples = r.normal(size=(40, 1)), r.normal(size=(200, 1))
    kde = gaussian_kde(samples.T, bw_method=0.3 / samples.std(ddof=1))
    np.testing.assert_allclose(log_density(points, samples, np.array([0.3]))[0], kde.logpdf(points.T), atol=2e-5)
    points, samples = r.normal(size=(40, 6)), r.normal(size=(200, 6))
    expected = KernelDensity(bandwidth=0.7).fit(samples).score_samples(points)
    np.testing.assert_allclose(log_density(points, samples, np.array([0.7]))[0], expected, atol=2e-5)


def test_uint8_is_measured_in_zero_to_one():
    r = np.random.default_rng(2)
    points, samples = (r.integers(0, 256, (n, 16), dtype=np.uint8) for n in (9, 30))
    expected = _direct(points / 255, samples / 255, 0.2)
    np.testing.assert_allclose(log_density(points, samples, np.array([0.2]), 1 / 255)[0], expected, atol=1e-4)


def test_of_gaussian_data_is_close_to_minus_the_entropy():
    r = np.random.default_rng(3)
    samples, validation, test = (r.normal(size=(n, 2)) for n in (5000, 1000, 4000))
    sigma, mean, edge = choose_sigma(validation, samples)
    value = log_density(test, samples, np.array([sigma]))[0].mean()
    entropy = np.log(2 * np.pi * np.e)
    assert value == pytest.approx(-entropy, abs=0.06)
    assert mean == pytest.approx(-entropy, abs=0.1)
    assert not edge


@pytest.mark.parametrize(("spread", "above"), [(0.02, False), (12.0, True)])
def test_grid_goes_on_until_the_best_is_inside(spread, above):
    r = np.random.default_rng(4)
    samples, validation = (r.normal(size=(n, 1)) * spread for n in (800, 400))
    sigma, mean, edge = choose_sigma(validation, samples)
    assert not edge
    assert (sigma > 1) if above else (sigma < 0.1)
    # The same steps far to both sides, each by the formula.
    step = 10 ** (1 / 9)
    grid = 0.1 * step ** np.arange(-14, 19)
    means = [_direct(validation, samples, s).mean() for s in grid]
    assert sigma == pytest.approx(grid[np.argmax(means)], rel=1e-6)
    assert mean == pytest.approx(max(means), abs=1e-3)


def test_copies_of_the_validation_set_end_at_the_edge():
    r = np.random.default_rng(5)
    samples = r.integers(0, 256, (100, 50), dtype=np.uint8)
    sigma, _, edge = choose_sigma(samples[:30], samples, 1 / 255)
    assert edge
    assert 0.5 / 255 <= sigma < 0.6 / 255 * 1.3


def _result(fake, real, train, batch_size, seed=0):
    sets = (SimpleNamespace(images=images) for images in (real, train))
    accumulator = module.start(Context(len(real), len(fake), seed, *sets, image_shape=fake.shape[1:]))
    for i in range(0, len(fake), batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), len(fake) - 1)
        accumulator.update(OutputBatch(jnp.asarray(fake[ids]), min(batch_size, len(fake) - i), None, None))
    return accumulator.result()


def _images(count, seed):
    r = np.random.default_rng(seed)
    return np.clip(128 + 30 * r.normal(size=(count, 3, 3, 1)), 0, 255).astype(np.uint8)


def test_accumulator():
    fake, real, train = _images(300, 0), _images(120, 1), _images(150, 2)
    result = _result(fake, real, train, 64)
    flat = [images.reshape(len(images), -1) / 255 for images in (real, fake)]
    expected = _direct(*flat, result["sigma"])
    assert result["value"] == pytest.approx(expected.mean(), abs=1e-3)
    assert result["spread"] == pytest.approx(expected.std() / np.sqrt(120), rel=1e-3)
    assert result["validation_value"] == pytest.approx(
        _direct(train.reshape(150, -1) / 255, flat[1], result["sigma"]).mean(), abs=1e-3
    )
    assert (result["samples"], result["validation_images"], result["test_images"]) == (300, 150, 120)
    assert result["sigma_on_edge"] is False
    assert _result(fake, real, train, 70) == result


def test_memorised_training_images_are_told_and_score_low():
    fake, real = _images(300, 0), _images(120, 1)
    result = _result(fake, real, fake[:200], 64)
    assert result["sigma_on_edge"] is True
    assert "training images are among the samples" in result["note"]
    assert result["value"] < _result(fake, real, _images(150, 2), 64)["value"] - 100


def test_large_images_are_unsuitable():
    assert module.unsuitable((64, 64, 3)) is None
    assert "49152" in module.unsuitable((128, 128, 3))
