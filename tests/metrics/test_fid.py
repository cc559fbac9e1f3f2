import numpy as np
import pytest
import scipy.linalg

from jaxgen.metrics import fd_efficientnet_lite0, fid
from jaxgen.metrics.base import CHOSEN, result_name

from .stand_ins import given, measure, projection


def _features(seed, n=400, size=12, scale=1.0):
    mixing = np.random.default_rng(99).normal(size=(size, size))
    return (np.random.default_rng(seed).normal(size=(n, size)) @ mixing * scale + 3).astype(np.float32)


def _fid(fake, real, **more):
    return measure(fid, fake, real=real, extractor=given(), **more)


def test_equals_the_definition():
    real, fake = _features(0), _features(1, n=310, scale=1.2)
    covariances = np.cov(real.astype(np.float64), rowvar=False), np.cov(fake.astype(np.float64), rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = real.mean(0, dtype=np.float64), fake.mean(0, dtype=np.float64)
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert _fid(fake, real)["value"] == pytest.approx(expected, rel=1e-7)


def test_identical_sets_are_at_zero():
    x = _features(0)
    assert _fid(x, x)["value"] < 1e-6 * np.trace(np.cov(x, rowvar=False))


def test_grows_with_noise_on_images():
    r = np.random.default_rng(0)
    images = r.integers(60, 196, size=(500, 4, 4, 1)).astype(np.uint8)
    values = []
    for noise in (0, 10, 20, 40):
        noisy = np.clip(images + noise * r.normal(size=images.shape), 0, 255).astype(np.uint8)
        values.append(measure(fid, noisy, real=images, extractor=projection())["value"])
    assert values == sorted(values)
    assert values[1] > 100 * values[0]


def test_results_are_those_of_any_batch_size():
    real, fake = _features(0), _features(1)
    results = [_fid(fake, real, batch_size=size) for size in (7, 400)]
    assert results[0]["value"] == pytest.approx(results[1]["value"], rel=1e-9)
    assert results[0]["spread"] == pytest.approx(results[1]["spread"], rel=1e-6)
    assert results[0]["spread"] > 0


def test_the_bound_metric_is_the_same_number_under_its_network():
    network = given("efficientnet_lite0")
    real, fake = _features(0), _features(1)
    bound = measure(fd_efficientnet_lite0, fake, real=real, extractor=network)
    assert bound == measure(fid, fake, real=real, extractor=network)


def test_only_the_canonical_network_is_called_fid():
    other = projection()._replace(label="efficientnet_lite0")
    assert fid.EXTRACTOR == CHOSEN
    assert result_name("fid", fid, "sample", other._replace(canonical=True)) == "fid"
    assert result_name("fid", fid, "sample", other) == "fd_efficientnet_lite0"
