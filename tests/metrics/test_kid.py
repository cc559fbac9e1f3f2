import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import kid
from jaxgen.metrics.kid import kernel_distance, squared_mmd

from .stand_ins import given, measure


def _definition(x, y):
    """Unbiased squared MMD by a loop over the kernel's definition, float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    kernel = lambda a, b: (a @ b.T / x.shape[1] + 1) ** 3  # noqa: E731
    m, n = len(x), len(y)
    within_x, within_y = kernel(x, x), kernel(y, y)
    return (
        (within_x.sum() - np.trace(within_x)) / (m * (m - 1))
        + (within_y.sum() - np.trace(within_y)) / (n * (n - 1))
        - 2 * kernel(x, y).mean()
    )


def _network_like(seed, n, size=2048, shift=0.0):
    """Rectified, correlated features of about the mean (0.3) and kernel (1.3) that the Inception's have."""
    mixing = np.random.default_rng(99).normal(size=(32, size)) / 5
    r = np.random.default_rng(seed)
    x = 0.25 + shift + 0.2 * r.normal(size=(n, 32)) @ mixing + 0.1 * r.normal(size=(n, size))
    return np.maximum(x, 0).astype(np.float32)


@pytest.mark.parametrize("shift", [0.0, 0.005, 0.05])
def test_equals_the_definition(shift):
    x, y = _network_like(0, 400), _network_like(1, 400, shift=shift)
    # The kernel's values are about 1.3: eight digits survive the cancellation.
    assert squared_mmd(x, y) == pytest.approx(_definition(x, y), abs=3e-8)


def test_unequal_and_tiny_sets_equal_the_definition():
    x, y = np.random.default_rng(0).normal(size=(2, 5)), np.random.default_rng(1).normal(size=(7, 5)) + 1
    assert squared_mmd(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(_definition(x, y), rel=1e-5)


def test_is_unbiased_where_the_frechet_distance_is_not(monkeypatch):
    monkeypatch.setattr(kid, "SUBSET_SIZE", 20)
    values = []
    for seed in range(30):
        r = np.random.default_rng(seed)
        values.append(kernel_distance(r.normal(size=(40, 8)), r.normal(size=(40, 8)), seed)["value"])
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_the_spread_is_that_over_subsets_and_the_error_that_over_draws(monkeypatch):
    monkeypatch.setattr(kid, "SUBSET_SIZE", 100)
    draws = []
    for seed in range(20):
        r = np.random.default_rng(seed)
        draws.append(kernel_distance(r.normal(size=(400, 8)), r.normal(size=(400, 8)) * 1.3, seed))
    first = draws[0]
    assert (first["subsets"], first["subset_size"]) == (100, 100)
    assert first["standard_error"] == pytest.approx(first["spread"] / 2)
    over_draws = np.std([draw["value"] for draw in draws])
    assert np.mean([draw["standard_error"] for draw in draws]) == pytest.approx(over_draws, rel=0.4)


def test_grows_with_distance_and_is_independent_of_the_batch_size(monkeypatch):
    monkeypatch.setattr(kid, "SUBSET_SIZE", 50)
    monkeypatch.setattr(kid, "SUBSETS", 10)
    real = _network_like(0, 120, size=16)
    values = [
        measure(kid, _network_like(1, 90, size=16, shift=s), real=real, extractor=given())["value"] for s in (0, 0.1, 1)
    ]
    assert values == sorted(values)
    fake = _network_like(1, 90, size=16)
    results = [measure(kid, fake, real=real, extractor=given(), batch_size=size) for size in (7, 90)]
    assert results[0] == results[1]
    assert measure(kid, fake, real=real, extractor=given(), seed=1)["value"] != results[0]["value"]


def test_few_samples_make_small_subsets_with_the_error_of_one():
    real, fake = _network_like(0, 60, size=16), _network_like(1, 30, size=16)
    result = measure(kid, fake, real=real, extractor=given())
    assert result["subset_size"] == 30
    assert result["standard_error"] == result["spread"]


def test_one_sample_is_refused():
    with pytest.raises(UserError, match="5 real and 1 generated images are too few"):
        kernel_distance(np.zeros((5, 2), np.float32), np.zeros((1, 2), np.float32), 0)
