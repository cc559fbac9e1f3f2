"""Closed forms of the adversarial losses."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import CHOICES, loss_of

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


def test_both_sides_of_a_loss_are_resolved_together():
    settings = SimpleNamespace(loss="hinge", label_smoothing=0.0)
    assert loss_of(settings) is CHOICES["hinge"]
    settings.loss = "non_saturating"
    settings.label_smoothing = 0.1
    loss, plain = loss_of(settings), CHOICES["non_saturating"]
    expected = plain.smoothed_discriminator_loss(REAL, FAKE, 0.1)
    np.testing.assert_array_equal(loss.discriminator_loss(REAL, FAKE), expected)
    assert loss.generator_loss is plain.generator_loss
    assert (loss.boundary, loss.probability) == (0.0, True)


def test_a_module_of_ones_own_is_a_loss_if_it_has_both_sides(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_losses").mkdir()
    text = "boundary = 0.25\ndef discriminator_loss(real, fake):\n    return fake - real\n"
    (tmp_path / "own_losses" / "half.py").write_text(text)
    (tmp_path / "own_losses" / "whole.py").write_text(f"{text}def generator_loss(fake):\n    return -fake\n")
    loss = loss_of(SimpleNamespace(loss="own_losses.whole", label_smoothing=0.0))
    assert loss.boundary == 0.25
    assert not loss.distance
    np.testing.assert_array_equal(loss.generator_loss(FAKE), -FAKE)
    with pytest.raises(UserError, match=r"config.recipe.loss: own_losses.half has no generator_loss\(\)"):
        loss_of(SimpleNamespace(loss="own_losses.half", label_smoothing=0.0))
