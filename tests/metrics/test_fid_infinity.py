import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics import fid_infinity
from jaxgen.metrics.fid_infinity import distance_at_infinity, extrapolate, sizes
from jaxgen.metrics.frechet import FeatureStatistics, Reference

from .stand_ins import given, measure

SIZE = 32


def _known():
    """Two Gaussians: what draws the samples of the second, the first as reference, and their distance."""
    r = np.random.default_rng(5)
    basis = np.linalg.qr(r.normal(size=(SIZE, SIZE)))[0]
    spectrum = 1 / (1 + np.arange(SIZE))
    other = spectrum * (1 + 0.5 * r.uniform(size=SIZE))
    real = Reference(FeatureStatistics(10**6, np.zeros(SIZE), (basis * spectrum) @ basis.T * (10**6 - 1)))
    exact = 0.05**2 * SIZE + np.sum((np.sqrt(spectrum) - np.sqrt(other)) ** 2)
    root = (basis * np.sqrt(other)) @ basis.T
    return lambda seed, n: np.random.default_rng(seed).normal(size=(n, SIZE)) @ root + 0.05, real, exact


def test_a_line_is_extrapolated_exactly():
    counts = np.array([10, 20, 50, 100])
    value, error, slope = extrapolate(counts, 3 + 7 / counts)
    assert (value, slope) == pytest.approx((3, 7), rel=1e-9)
    assert error < 1e-9


def test_the_fit_and_its_standard_error_are_those_of_least_squares():
    stats = pytest.importorskip("scipy.stats")
    counts = sizes(1000, 4)
    distances = 3 + 7 / counts + 1e-3 * np.random.default_rng(0).normal(size=len(counts))
    expected = stats.linregress(1 / counts, distances)
    value, error, slope = extrapolate(counts, distances)
    assert (value, slope) == pytest.approx((expected.intercept, expected.slope), rel=1e-9)
    assert error == pytest.approx(expected.intercept_stderr, rel=1e-6)


def test_ten_sizes_that_end_at_all_samples():
    for n, features in ((50_000, 2048), (10_000, 2048), (5000, 2048), (3000, 16)):
        counts = sizes(n, features)
        assert len(counts) >= 10
        assert counts[-1] == n
    assert sizes(50_000, 2048)[0] == 5000
    assert sizes(10_000, 2048)[0] == 4096
    assert sizes(5000, 2048)[0] == 2500


@pytest.mark.full
def test_the_bias_goes_and_the_spread_is_that_over_draws():
    draw, real, exact = _known()
    results = [distance_at_infinity(real, draw(seed, 500), seed) for seed in range(25)]
    values, finite = (np.array([r[key] for r in results]) for key in ("value", "finite_distance"))
    bias = finite.mean() - exact
    assert bias > 5 * finite.std() / 5  # there is something to remove
    assert abs(values.mean() - exact) < 0.25 * bias
    assert np.mean([r["spread"] for r in results]) == pytest.approx(values.std(), rel=0.5)


def test_is_seeded_and_independent_of_the_batch_size():
    r = np.random.default_rng(0)
    real, fake = r.normal(size=(300, 8)), 1.2 * r.normal(size=(300, 8))
    results = [measure(fid_infinity, fake, real=real, extractor=given(), batch_size=b) for b in (13, 300)]
    assert results[0] == results[1]
    other = measure(fid_infinity, fake, real=real, extractor=given(), seed=1)
    assert other["value"] != results[0]["value"]
    assert other["finite_distance"] == pytest.approx(results[0]["finite_distance"], rel=1e-9)


def test_too_few_samples_for_a_line_are_refused():
    _, real, _ = _known()
    with pytest.raises(UserError, match="3 samples give too few sizes"):
        distance_at_infinity(real, np.zeros((3, SIZE)), 0)
