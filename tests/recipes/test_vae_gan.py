"""VAE-GAN: each network has the step of its own loss, by hand."""

from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.losses import adversarial
from jaxgen.models.vae_gan import VAEGAN
from jaxgen.recipes import vae_gan
from jaxgen.recipes.adversary import Adversary
from jaxgen.recipes.base import Batch
from tests.helpers.linear_networks import SHAPE, Linear, LinearEncoder, sharded


class Constant(nn.Module):
    """A generator of one image, whatever the latents."""

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        return nn.Dense(4, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.constant(0.3))(x).reshape(
            -1, *SHAPE
        )


class LinearFeatures(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        features = Linear((3,))(x)
        return Linear((1,), 1.0)(features)[:, 0], features


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_each_network_of_vae_gan_has_the_step_of_its_own_loss(gamma):
    """A generator of one image b: every gradient of Algorithm 1 follows on paper, with features F x + f, logit u.f."""
    model = VAEGAN(LinearEncoder(2), Constant(), LinearFeatures(), 2)
    adversary = Adversary(model.discriminator, adversarial.non_saturating, optax.sgd(0.1))
    settings = SimpleNamespace(beta=2.0, feature_weight=gamma, ema_decay=0.0)
    recipe = vae_gan.vae_gan(model, adversary, optax.sgd(0.1), optax.sgd(0.1), image_shape=SHAPE, settings=settings)
    images = jax.random.normal(jax.random.key(3), (6, 4))
    batch = Batch(images.reshape(1, 1, 6, *SHAPE), None)
    before = recipe.init(jax.random.key(0))
    after, metrics = sharded(recipe.update)(before, batch, jax.random.key(1), jnp.int32(0))
    x, b = np.asarray(images, np.float64), np.full(4, 0.3)
    d = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), before["d"].params)
    (F, f), (u, c) = ((d[name]["Dense_0"]["kernel"], d[name]["Dense_0"]["bias"]) for name in ("Linear_0", "Linear_1"))
    u, c = u[:, 0], c[0]

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    # Generator: gamma * mean of F (F^T (b - x)) + d/db of softplus(-logit(b)).
    logit = (b @ F + f) @ u + c
    error = np.mean(0.5 * (((b - x) @ F) ** 2).sum(1))
    step_g = gamma * ((b - x) @ F @ F.T).mean(0) - sigmoid(-logit) * F @ u
    moved = np.asarray(after["g"].params["Dense_0"]["bias"]) - b
    np.testing.assert_allclose(moved, -0.1 * step_g, rtol=1e-4, atol=1e-7)
    # Encoder: the image does not depend on the code, so that only the KL moves it: beta * mean of x mu.
    kernel, bias = (np.asarray(before["encoder"].params["Linear_0"]["Dense_0"][name]) for name in ("kernel", "bias"))
    mu = x @ kernel + bias
    moved = np.asarray(after["encoder"].params["Linear_0"]["Dense_0"]["kernel"]) - kernel
    np.testing.assert_allclose(moved, -0.1 * 2 * x.T @ mu / 6, rtol=1e-4, atol=1e-7)
    kl = 0.5 * (mu**2 + np.exp(-30) - 1 + 30).sum(1).mean()
    assert float(metrics["loss_encoder"]) == pytest.approx(2 * kl + error, rel=1e-5)
    # Discriminator: reals against both kinds of fakes, which are the same image here, and no feature error.
    real = (x @ F + f) @ u + c
    by_logit = np.concatenate([-sigmoid(-real) / 6, [sigmoid(logit)]])
    features = np.concatenate([x @ F + f, [b @ F + f]])
    moved = np.asarray(after["d"].params["Linear_1"]["Dense_0"]["kernel"])[:, 0] - u
    np.testing.assert_allclose(moved, -0.1 * features.T @ by_logit, rtol=1e-4, atol=1e-7)


@pytest.mark.full
def test_vae_gan_shows_its_discriminator_reconstructions_and_samples():
    """Reconstructions of a constant encoder and decoder far from samples: the mean logit of fakes is of both kinds."""
    model = VAEGAN(LinearEncoder(2), Linear(SHAPE), LinearFeatures(), 2)
    adversary = Adversary(model.discriminator, adversarial.non_saturating, optax.sgd(0.0))
    settings = SimpleNamespace(beta=1.0, feature_weight=1.0, ema_decay=0.0)
    recipe = vae_gan.vae_gan(model, adversary, optax.sgd(0.0), optax.sgd(0.0), image_shape=SHAPE, settings=settings)
    state = recipe.init(jax.random.key(0))
    state["encoder"].params["Linear_0"]["Dense_0"]["bias"] = jnp.array([40.0, -60.0])
    batch = Batch(jnp.zeros((1, 1, 400, *SHAPE)), None)
    _, metrics = sharded(recipe.update)(state, batch, jax.random.key(1), jnp.int32(0))

    def logit(z):
        x = model.generator.apply({"params": state["g"].params}, z)
        return model.discriminator.apply({"params": state["d"].params}, x)[0]

    restored, of_mean_prior = logit(jnp.array([[40.0, -60.0]]))[0], logit(jnp.zeros((1, 2)))[0]
    assert abs(restored - of_mean_prior) > 1
    # The logit is linear, so the mean over samples is near the logit of the mean latent.
    assert float(metrics["fake_logits_d"]) == pytest.approx(float(restored + of_mean_prior) / 2, abs=0.3)
