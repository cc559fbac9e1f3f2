import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxgen.metrics import bits_per_dim as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.bits_per_dim import bits_per_dim

FACTS = {"dimensions": 12, "bound": "IWAE", "discrete": True, "samples": 50}


def _result(nats, batch_size, facts):
    accumulator = module.start(Context(len(nats), len(nats), 0, info={"log_likelihood": facts}))
    for i in range(0, len(nats), batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), len(nats) - 1)
        accumulator.update(OutputBatch(jnp.asarray(nats[ids]), min(batch_size, len(nats) - i), None, None))
    return accumulator.result()


def test_uniform_grey_levels_cost_eight_bits():
    assert bits_per_dim(np.array([-12 * np.log(256)]), 12)[0] == pytest.approx(8)


def test_density_of_scaled_values_becomes_one_of_grey_levels():
    """A broad Gaussian on grey levels: its bins' probabilities are known, and its density in [-1, 1] as well."""
    x = np.random.default_rng(0).integers(0, 256, (5, 12)).astype(float)
    probability = np.log(norm.cdf(x + 0.5, 120, 60) - norm.cdf(x - 0.5, 120, 60)).sum(1)
    density = norm.logpdf(x / 127.5 - 1, 120 / 127.5 - 1, 60 / 127.5).sum(1)
    np.testing.assert_allclose(bits_per_dim(density, 12, -np.log(127.5)), bits_per_dim(probability, 12), atol=1e-3)
    assert abs(bits_per_dim(density, 12) - bits_per_dim(probability, 12)).min() > 5


@pytest.mark.parametrize("scale", [0.0, -np.log(127.5)])
def test_accumulator_gives_mean_error_and_facts(scale):
    nats = np.random.default_rng(1).normal(-50, 5, 101).astype(np.float32)
    facts = {**FACTS, "scale_nats_per_dim": scale} if scale else FACTS
    result = _result(nats, 40, facts)
    expected = -(nats.astype(np.float64) / 12 + scale) / np.log(2)
    assert result["value"] == pytest.approx(expected.mean(), rel=1e-9)
    assert result["spread"] == pytest.approx(expected.std() / np.sqrt(101), rel=1e-9)
    assert result["nats_per_image"] == pytest.approx(nats.mean(), rel=1e-6)
    assert {key: result[key] for key in FACTS} == FACTS
    assert result["scale_nats_per_dim"] == scale
    assert _result(nats, 101, facts) == result


def test_a_view_that_does_not_say_what_it_gives_is_refused():
    with pytest.raises(ValueError, match="bound, discrete"):
        module.start(Context(1, 1, 0, info={"log_likelihood": {"dimensions": 12}}))
