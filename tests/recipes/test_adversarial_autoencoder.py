"""The adversarial autoencoder with linear networks on Gaussian data: the prior, and the error of PCA."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.losses import adversarial, likelihoods, penalties
from jaxgen.models.base import VAE
from jaxgen.recipes import adversarial_autoencoder
from jaxgen.recipes.adversary import Adversary
from tests.helpers.linear_networks import SHAPE, Judge, Linear, LinearEncoder, run


@pytest.mark.full
@pytest.mark.parametrize("weight", [1.0, pytest.param(0.0, marks=pytest.mark.full)])
def test_codes_of_an_adversarial_autoencoder_have_the_prior_s_moments(weight):
    """Linear networks on Gaussian data: with an adversary the codes are N(0, 1), and no worse than PCA can be."""
    deviations = jnp.array([2.0, 1.0, 0.1, 0.1])
    model = VAE(LinearEncoder(2), Linear(SHAPE), 2)
    adversary = Adversary(Judge(), adversarial.non_saturating, optax.adam(2e-3, b1=0.5), penalties.r1, 0.1)
    settings = SimpleNamespace(deterministic_encoder=True, ema_decay=0.99, adversary_weight=weight)
    build = adversarial_autoencoder.adversarial_autoencoder
    tx = optax.adam(2e-3, b1=0.5)
    recipe = build(model, likelihoods.gaussian(1.0), adversary, tx, image_shape=SHAPE, settings=settings)

    def images_of(normal):
        return 0.3 * deviations * normal

    state, metrics = run(recipe, images_of, steps=2000, batch=128)
    images = images_of(jax.random.normal(jax.random.key(1), (4000, 4))).reshape(-1, *SHAPE)
    codes = np.asarray(recipe.views["encode"](state, images)[0])
    apart = np.abs(np.cov(codes.T) - np.eye(2)).max()
    assert apart < 0.2 if weight else apart > 0.5
    restored = state["ema"].params["decoder"]["Dense_0"]  # without the clip of shown images
    error = np.mean((codes @ restored["kernel"] + restored["bias"] - images.reshape(-1, 4)) ** 2) * 4
    best = 2 * (0.3 * 0.1) ** 2  # the two directions that two latents cannot hold
    assert best * 0.9 < error < best + 0.05
    assert np.isfinite(metrics["loss"]).all()
