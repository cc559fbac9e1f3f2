"""Closed forms of the adversarial losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.losses.adversarial import CHOICES

REAL = np.array([-3.0, 0.0, 0.5, 4.0])
FAKE = np.array([2.0, -0.25, 0.0, -6.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


EXPECTED = {
    "non_saturating": (-np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)), -np.log(sigmoid(FAKE))),
    "saturating": (-np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)), np.log(1 - sigmoid(FAKE))),
    "least_squares": (0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2, 0.5 * (FAKE - 1) ** 2),
    "wasserstein": (FAKE - REAL, -FAKE),
    "hinge": (np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_equals_the_papers_formula(name):
    loss = CHOICES[name]
    np.testing.assert_allclose(loss.discriminator_loss(jnp.array(REAL), jnp.array(FAKE)), EXPECTED[name][0], rtol=1e-5)
    np.testing.assert_allclose(loss.generator_loss(jnp.array(FAKE)), EXPECTED[name][1], rtol=1e-5, atol=1e-7)


def test_minimax_is_the_saturating_loss():
    assert CHOICES["minimax"] is CHOICES["saturating"]


@pytest.mark.parametrize("name", ["non_saturating", "saturating"])
def test_cross_entropy_is_finite_at_any_logit(name):
    extreme = jnp.array([-1e4, 1e4])
    for value in (CHOICES[name].discriminator_loss(extreme, extreme), CHOICES[name].generator_loss(extreme)):
        assert np.all(np.isfinite(value))


def test_non_saturating_gradient_survives_a_winning_discriminator():
    saturated, useful = (jax.grad(CHOICES[name].generator_loss)(-20.0) for name in ("saturating", "non_saturating"))
    assert abs(saturated) < 1e-6
    assert useful == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_generator_descends_toward_being_taken_for_real(name):
    gradient = jax.grad(CHOICES[name].generator_loss)(-1.0)
    assert gradient < 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_smoothing_lowers_the_target_of_reals_only(smoothing):
    target = 1 - smoothing
    crossed = -target * np.log(sigmoid(REAL)) - smoothing * np.log(1 - sigmoid(REAL)) - np.log(1 - sigmoid(FAKE))
    expected = {"least_squares": 0.5 * (REAL - target) ** 2 + 0.5 * FAKE**2}
    expected |= {"non_saturating": crossed, "saturating": crossed}
    for name, values in expected.items():
        smoothed = CHOICES[name].smoothed_discriminator_loss(jnp.array(REAL), jnp.array(FAKE), smoothing)
        np.testing.assert_allclose(smoothed, values, rtol=1e-5)


@pytest.mark.parametrize("name", ["wasserstein", "hinge"])
def test_losses_without_a_target_cannot_be_smoothed(name):
    assert CHOICES[name].smoothed_discriminator_loss is None
