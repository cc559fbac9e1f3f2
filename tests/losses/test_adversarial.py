"""Closed forms of the adversarial losses."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from scipy.special import logsumexp

from jaxgen.errors import UserError
from jaxgen.losses.adversarial import CHOICES, loss_of
from jaxgen.recipes.base import Outcome, Player, descend
from tests.helpers.devices import spread

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
    # From the density ratio D / (1 - D), as the paper writes it.
    "boundary_seeking": (
        -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)),
        0.5 * (np.log(sigmoid(FAKE)) - np.log(1 - sigmoid(FAKE))) ** 2,
    ),
}
# Means over a batch (real logits, fake logits), written as in the papers.
WITH_REALS = {
    "relativistic": (
        lambda real, fake: -np.log(sigmoid(real - fake)).mean(),
        lambda real, fake: -np.log(sigmoid(fake - real)).mean(),
    ),
    "relativistic_average": (
        lambda real, fake: -np.log(sigmoid(real - fake.mean())).mean() - np.log(1 - sigmoid(fake - real.mean())).mean(),
        lambda real, fake: -np.log(sigmoid(fake - real.mean())).mean() - np.log(1 - sigmoid(real - fake.mean())).mean(),
    ),
    # Cross entropy of a softmax over both batches with equal shares of the targets.
    "softmax": (
        lambda real, fake: -(real - logsumexp([*real, *fake])).mean(),
        lambda real, fake: -(np.concatenate([real, fake]) - logsumexp([*real, *fake])).mean(),
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_equals_the_papers_formula(name):
    loss = CHOICES[name]
    np.testing.assert_allclose(loss.discriminator_loss(jnp.array(REAL), jnp.array(FAKE)), EXPECTED[name][0], rtol=1e-5)
    np.testing.assert_allclose(loss.generator_loss(jnp.array(FAKE)), EXPECTED[name][1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", WITH_REALS)
def test_a_loss_that_compares_with_reals_equals_the_papers_formula(name):
    loss = CHOICES[name]
    for of_side, expected in zip((loss.discriminator_loss, loss.generator_loss), WITH_REALS[name], strict=True):
        values = of_side(jnp.array(REAL), jnp.array(FAKE))
        assert values.shape == REAL.shape
        np.testing.assert_allclose(values.mean(), expected(REAL, FAKE), rtol=1e-5)
    # Only the difference of logits counts.
    moved = [float(loss.generator_loss(jnp.array(REAL + c), jnp.array(FAKE + c)).mean()) for c in (0, 100)]
    assert moved[0] == pytest.approx(moved[1], rel=1e-4)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("name", WITH_REALS)
def test_gradients_are_those_of_the_global_batch(name, devices):
    """A step of each player on a linear critic, against finite differences of the formula over all examples."""
    rng = np.random.default_rng(0)
    reals, fakes = rng.normal(1, 2, (8, 3)), rng.normal(0, 1, (8, 3))
    weights = np.array([0.5, -1.0, 0.8])
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    for side, expected in enumerate(WITH_REALS[name]):
        of_side = CHOICES[name][side]

        def step(weights, reals, fakes, of_side=of_side):
            def loss_fn(params, stats, part):
                value = jnp.mean(of_side(part[0] @ params, part[1] @ params))
                return value, Outcome(stats, {"loss": value})

            player, outcome = descend(
                loss_fn, Player.create(weights, {}, optax.sgd(1.0)), optax.sgd(1.0), (reals[None], fakes[None])
            )
            return player.params, outcome.metrics["loss"]

        run = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=(P(), P("data"), P("data")), out_specs=P()))
        batches = (jnp.asarray(spread(x, devices), jnp.float32) for x in (reals, fakes))
        after, value = run(jnp.asarray(weights, jnp.float32), *batches)
        assert float(value) == pytest.approx(expected(reals @ weights, fakes @ weights), rel=1e-5)
        for i, direction in enumerate(1e-5 * np.eye(3)):
            up, down = (expected(reals @ w, fakes @ w) for w in (weights + direction, weights - direction))
            assert weights[i] - float(after[i]) == pytest.approx((up - down) / 2e-5, abs=2e-5)


@pytest.mark.parametrize("name", WITH_REALS)
def test_comparisons_are_finite_at_any_logit(name):
    extreme = jnp.array([-1e4, 1e4, 0.0])
    for of_side in CHOICES[name][:2]:
        value, slopes = jax.value_and_grad(lambda fake, of_side=of_side: of_side(extreme, fake).mean())(-extreme)
        assert np.isfinite(value)
        assert np.isfinite(slopes).all()


def test_minimax_is_the_saturating_loss():
    assert CHOICES["minimax"] is CHOICES["saturating"]


def test_a_recipe_without_reals_for_the_generator_refuses_the_loss():
    settings = SimpleNamespace(loss="relativistic", label_smoothing=0.0, name="stylegan2")
    with pytest.raises(UserError, match="shows the generator real images, which recipe 'stylegan2' does not"):
        loss_of(settings)
    assert loss_of(settings, with_reals=True) is CHOICES["relativistic"]


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
