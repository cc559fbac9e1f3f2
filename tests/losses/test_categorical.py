"""Gumbel-softmax against frequencies, entropies and its own limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgen.losses import categorical

P = np.array([0.5, 0.3, 0.15, 0.05])
LOG_P = jnp.log(jnp.asarray(P, jnp.float32))


def noise(count=50_000):
    return categorical.gumbel(jax.random.uniform(jax.random.key(0), (count, 4)))


def test_gumbel_noise_follows_its_distribution():
    values = np.asarray(noise(5_000)).ravel()
    assert stats.kstest(values, "gumbel_r").pvalue > 0.01
    assert np.isfinite(categorical.gumbel(jnp.zeros(3))).all()


@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_the_largest_category_of_a_relaxed_draw_has_the_right_frequency(temperature):
    """At any temperature (Maddison et al. 2017, proposition 1)."""
    soft = categorical.relaxed(LOG_P, noise(), temperature)
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.bincount(np.argmax(soft, -1), minlength=4) / len(soft), P, atol=0.01)
    exact = categorical.one_hot_maximum(LOG_P + noise())
    np.testing.assert_allclose(exact.mean(0), P, atol=0.01)


def test_relaxed_draws_become_one_hot_as_the_temperature_falls():
    soft = [categorical.relaxed(LOG_P, noise(2_000), t) for t in (2.0, 0.5, 0.01)]
    largest = [float(s.max(-1).mean()) for s in soft]
    assert largest == sorted(largest)
    assert largest[0] < 0.7 < 0.98 < largest[2]


def test_kl_is_log_k_minus_the_entropy():
    kl = categorical.kl_to_uniform(jnp.stack([LOG_P, jnp.full(4, -np.log(4))]))
    np.testing.assert_allclose(kl, [np.log(4) - stats.entropy(P), 0], atol=1e-6)


def test_straight_through_is_one_hot_with_the_relaxed_gradient():
    fixed = noise(5)

    def value(logits, through):
        soft = categorical.relaxed(logits, fixed, 0.7)
        return jnp.sum((categorical.straight_through(soft) if through else soft) * jnp.arange(4.0))

    assert float(value(LOG_P, True)) == pytest.approx(round(float(value(LOG_P, True))), abs=1e-5)
    hard, soft = (jax.grad(value)(LOG_P, through) for through in (True, False))
    np.testing.assert_allclose(hard, soft, rtol=1e-5)


def test_the_temperature_falls_from_its_start_to_its_minimum():
    values = [float(categorical.temperature_at(jnp.int32(step), 1.0, 0.5, 1e-3)) for step in (0, 100, 10_000)]
    assert values == pytest.approx([1.0, np.exp(-0.1), 0.5])
