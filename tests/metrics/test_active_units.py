import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import active_units as module
from jaxgen.metrics.active_units import activity, kl_per_dimension
from jaxgen.metrics.base import Context, OutputBatch


def _posterior(n=500, seed=0):
    """Means with standard deviations on both sides of 0.1, and log-variances."""
    r = np.random.default_rng(seed)
    mean = 3 + r.normal(size=(n, 6)) * np.array([1, 0.5, 0.13, 0.07, 0.01, 0])
    return mean.astype(np.float32), r.uniform(-3, 0, (n, 6)).astype(np.float32)


def _result(mean, log_variance, batch_size, seed=0):
    accumulator = module.start(Context(len(mean), len(mean), seed))
    for i in range(0, len(mean), batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), len(mean) - 1)
        output = jnp.asarray(mean[ids]), jnp.asarray(log_variance[ids])
        accumulator.update(OutputBatch(output, min(batch_size, len(mean) - i), None, None))
    return accumulator.result()


def test_activity_and_count():
    mean, log_variance = _posterior()
    np.testing.assert_allclose(activity(mean), np.cov(mean.T.astype(np.float64), ddof=0).diagonal(), rtol=1e-10)
    result = _result(mean, log_variance, 128)
    assert (result["value"], result["units"], result["threshold"]) == (3, 6, 0.01)


def test_kl_by_monte_carlo_and_of_the_prior():
    r = np.random.default_rng(1)
    mean, log_variance = _posterior(4)
    z = mean + np.exp(log_variance / 2) * r.normal(size=(200_000, *mean.shape))
    log_q = -0.5 * (log_variance + (z - mean) ** 2 / np.exp(log_variance))
    expected = (log_q + 0.5 * z**2).mean((0, 1))
    np.testing.assert_allclose(kl_per_dimension(mean, log_variance), expected, rtol=5e-3)
    assert np.all(kl_per_dimension(np.zeros((3, 2)), np.zeros((3, 2))) == 0)


def test_result_is_the_same_in_any_batches_and_lists_the_kl():
    posterior = _posterior()
    result = _result(*posterior, 128)
    assert _result(*posterior, 500) == result
    np.testing.assert_allclose(result["kl_per_dimension"], kl_per_dimension(*posterior))
    assert result["kl"] == pytest.approx(sum(result["kl_per_dimension"]))


def test_spread_is_that_of_a_unit_at_the_threshold():
    r = np.random.default_rng(2)
    sure = np.stack([r.normal(size=400), 0.01 * r.normal(size=400)], 1)
    assert _result(sure, sure, 100)["spread"] == 0
    edge = r.normal(size=(400, 1))
    edge *= 0.1 / edge.std()
    # Resampled, its variance is above the threshold in about half of the draws.
    assert _result(edge, edge, 100)["spread"] == pytest.approx(0.5, abs=0.1)
