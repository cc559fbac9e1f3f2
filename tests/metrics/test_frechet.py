import numpy as np
import pytest
import scipy.linalg

from jaxgen.metrics.frechet import (
    FeatureStatistics,
    GroupedStatistics,
    Reference,
    distance_and_spread,
    frechet_distance,
    merged,
)


def _statistics(mean, covariance, n=100):
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    return FeatureStatistics(n, mean, covariance * (n - 1))


def _features(seed, n, size=6):
    r = np.random.default_rng(seed)
    return r.normal(size=(n, size)) @ r.normal(size=(size, size)) + r.normal(size=size) * 3


def test_diagonal_gaussians_have_the_closed_form():
    m1, m2, v1, v2 = [0, 1, 2], [1, 1, 0], np.array([1.0, 4, 9]), np.array([4.0, 4, 1])
    expected = 1 + 4 + np.sum((np.sqrt(v1) - np.sqrt(v2)) ** 2)
    got = frechet_distance(_statistics(m1, np.diag(v1)), _statistics(m2, np.diag(v2)))
    assert got == pytest.approx(expected, rel=1e-12)


def test_shifted_and_scaled_gaussians_have_the_closed_form():
    s = FeatureStatistics.of(_features(0, 200))
    shifted = s._replace(mean=s.mean + 2)
    assert frechet_distance(s, shifted) == pytest.approx(4 * 6, rel=1e-9)
    # Covariance times 9: tr(S + 9S - 2 * 3S) = 4 tr(S).
    scaled = s._replace(scatter=s.scatter * 9)
    assert frechet_distance(s, scaled) == pytest.approx(4 * np.trace(s.covariance()), rel=1e-9)


def test_equals_the_matrix_square_root_of_scipy():
    a, b = (FeatureStatistics.of(_features(seed, 50)) for seed in (1, 2))
    root = scipy.linalg.sqrtm(a.covariance() @ b.covariance())
    expected = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance() + b.covariance() - 2 * root.real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_rank_deficient_covariances_agree_with_the_eigenvalues_of_the_product():
    a, b = (FeatureStatistics.of(_features(seed, 4)) for seed in (1, 2))
    eigenvalues = np.linalg.eigvals(a.covariance() @ b.covariance()).astype(complex)
    expected = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance() + b.covariance())
    expected -= 2 * np.sqrt(eigenvalues).real.sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_a_null_space_is_left_out_of_the_root():
    features = _features(1, 4)
    root = Reference(FeatureStatistics.of(features)).root
    assert root.shape == (3, 6)
    np.testing.assert_allclose(root.T @ root, np.cov(features.T), rtol=1e-9, atol=1e-12)
    constant = FeatureStatistics.of(np.ones((5, 6)))
    assert frechet_distance(constant, FeatureStatistics.of(np.zeros((5, 6)))) == 6


def test_identical_sets_are_at_zero():
    s = FeatureStatistics.of(_features(3, 300))
    assert 0 <= frechet_distance(s, s) < 1e-9 * np.trace(s.covariance())


def test_streaming_merging_and_removing_equal_the_whole():
    x = _features(4, 103) + 1e4  # a large mean: plain sums in float32 would lose the covariance
    parts = [FeatureStatistics.of(part) for part in np.array_split(x, 7)]
    whole = merged([FeatureStatistics.of(x[:0]), *parts])
    assert whole.n == 103
    np.testing.assert_allclose(whole.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(whole.covariance(), np.cov(x, rowvar=False), rtol=1e-8)
    rest = whole.without(parts[0])
    np.testing.assert_allclose(rest.covariance(), np.cov(x[len(x) - rest.n :], rowvar=False), rtol=1e-8)


def test_a_covariance_of_one_example_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        FeatureStatistics.of(np.zeros((1, 3))).covariance()


def test_groups_depend_on_neither_batch_size_nor_order_by_class():
    x = np.arange(40, dtype=np.float32)[:, None]
    results = []
    for size in (1, 7, 40):
        stream = GroupedStatistics(40, seed=0, groups=4)
        for i in range(0, 40, size):
            stream.update(x[i : i + size])
        results.append(stream.parts())
    for parts in results:
        assert [part.n for part in parts] == [10] * 4
        np.testing.assert_allclose([p.mean for p in parts], [p.mean for p in results[0]], rtol=1e-12)
        np.testing.assert_allclose(merged(parts).mean, x.mean(0))
    # Sorted input: each group still spans the range instead of a quarter of it.
    assert max(abs(part.mean[0] - 19.5) for part in results[0]) < 10


@pytest.mark.full
def test_the_spread_is_that_over_fresh_draws():
    size, n = 4, 1000
    reference = Reference(_statistics(np.zeros(size), np.eye(size)))
    values, spreads = [], []
    for seed in range(60):
        x = np.random.default_rng(seed).normal(size=(n, size)) * 1.3 + 0.5
        stream = GroupedStatistics(n, seed=0)
        stream.update(x)
        value, spread = distance_and_spread(reference, stream.parts())
        values.append(value)
        spreads.append(spread)
    assert np.mean(spreads) == pytest.approx(np.std(values), rel=0.3)


def test_too_few_groups_have_no_spread():
    stream = GroupedStatistics(2, seed=0)
    stream.update(np.eye(2, 3))
    value, spread = distance_and_spread(Reference(_statistics(np.zeros(3), np.eye(3))), stream.parts())
    assert np.isfinite(value)
    assert spread is None
