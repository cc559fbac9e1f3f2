"""BiGAN on a linear-Gaussian model, whose encoder must invert the generator."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.losses import adversarial, penalties
from jaxgen.models.bigan import BiGAN
from jaxgen.recipes import bigan
from jaxgen.recipes.adversary import Adversary
from tests.helpers.linear_networks import SHAPE, Judge, Linear, LinearEncoder, run


@pytest.mark.full
@pytest.mark.parametrize("stochastic", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_linear_bigan_inverts_its_generator(stochastic):
    """x = A s with s ~ N(0, 1) in two dimensions: at the optimum E(G(z)) = z and Cov G(z) = A A^T."""
    mixing = jnp.array([[1.0, 0.4, 0.0, 0.3], [0.0, 0.8, -0.5, 0.2]])
    log_variance = -3.0 if stochastic else -30.0
    model = BiGAN(Linear(SHAPE), LinearEncoder(2, log_variance), Judge(), 2)
    adversary = Adversary(Judge(), adversarial.non_saturating, optax.adam(2e-3, b1=0.5), penalties.r1, 0.1)
    settings = SimpleNamespace(deterministic_encoder=not stochastic, ema_decay=0.99)
    recipe = bigan.bigan(model, adversary, optax.adam(2e-3, b1=0.5), image_shape=SHAPE, settings=settings)
    state, _ = run(recipe, lambda normal: normal[:, :2] @ mixing, steps=3000, batch=128)
    z = jax.random.normal(jax.random.key(1), (2000, 2))
    images = recipe.views["decode"](state, z)
    found = recipe.views["encode"](state, images)[0]
    assert np.sqrt(np.mean((found - z) ** 2)) < 0.15
    covariance = np.cov(np.asarray(images).reshape(-1, 4).T)
    np.testing.assert_allclose(covariance, mixing.T @ mixing, atol=0.2)
    again = recipe.views["reconstruct"](state, images)
    assert np.sqrt(np.mean((again - images) ** 2)) < 0.15
