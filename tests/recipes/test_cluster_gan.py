"""ClusterGAN on three Gaussians: it finds them."""

from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.losses import adversarial, penalties
from jaxgen.models.cluster_gan import ClusterGAN
from jaxgen.recipes import cluster_gan
from jaxgen.recipes.adversary import Adversary
from tests.helpers.linear_networks import SHAPE, run


class Looks(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.leaky_relu(nn.Dense(32)(x), 0.2)
        x = nn.Dense(self.outputs)(x)
        return x if self.outputs > 1 else x[:, 0]


class Makes(nn.Module):
    @nn.compact
    def __call__(self, z, train=False):
        for _ in range(2):
            z = nn.relu(nn.Dense(32)(z))
        return nn.Dense(4)(z).reshape(-1, *SHAPE)


@pytest.mark.full
def test_cluster_gan_finds_three_clusters():
    """Three Gaussians: the encoder names each of them alike, and finds the cluster of what the generator makes."""
    centres = jnp.array([[1.0, 0, 0, 1], [0, 1, 0, -1], [-1, -1, 1, 0]])
    model = ClusterGAN(Makes(), Looks(5), Looks(1), 2, 3)
    adversary = Adversary(Looks(1), adversarial.wasserstein, optax.adam(1e-3, b1=0.5, b2=0.9), penalties.wgan_gp, 10.0)
    settings = SimpleNamespace(latent_deviation=0.1, n_critic=2, ema_decay=0.9, latent_weight=10.0, cluster_weight=10.0)
    tx = optax.adam(1e-3, b1=0.5, b2=0.9)
    recipe = cluster_gan.cluster_gan(model, adversary, tx, image_shape=SHAPE, settings=settings)

    def kinds_of(normal):
        return (jax.scipy.stats.norm.cdf(normal[:, 0]) * 3).astype(jnp.int32)

    def images_of(normal):
        return centres[kinds_of(normal)] + 0.1 * normal[:, ::-1] * jnp.array([1.0, 1, 1, 0])

    state, metrics = run(recipe, images_of, steps=600, batch=64)
    assert np.mean(metrics["cluster_accuracy_g"][-50:]) > 0.95
    normal = jax.random.normal(jax.random.key(1), (600, 4))
    images, kinds = images_of(normal).reshape(-1, *SHAPE), np.asarray(kinds_of(normal))
    clusters = np.asarray(recipe.views["clusters"](state, images))
    assert clusters.dtype == np.int32
    table = np.array([[np.sum((kinds == a) & (clusters == b)) for b in range(3)] for a in range(3)])
    assert table.max(axis=1).sum() > 0.95 * 600
    assert len(set(table.argmax(axis=1))) == 3
    latents = recipe.views["latents"](jax.random.key(2), jnp.arange(3000))
    one_hot = np.asarray(latents[:, 2:])
    assert set(one_hot.sum(axis=1)) == {1.0}
    np.testing.assert_allclose(one_hot.mean(0), 1 / 3, atol=0.04)
    np.testing.assert_allclose(np.std(latents[:, :2], axis=0), 1, atol=0.04)
    made = recipe.views["decode"](state, latents)
    params = state["ema"].params
    deviations = jnp.array([0.1, 0.1, 1, 1, 1])
    np.testing.assert_allclose(made, Makes().apply({"params": params["generator"]}, latents * deviations), atol=1e-5)
    found = np.asarray(Looks(5).apply({"params": params["encoder"]}, images))
    probabilities = np.exp(found[:, 2:]) / np.exp(found[:, 2:]).sum(axis=1, keepdims=True)
    expected = np.concatenate([found[:, :2] / 0.1, probabilities], axis=1)
    np.testing.assert_allclose(recipe.views["encode"](state, images)[0], expected, rtol=1e-3, atol=1e-4)
    assert np.mean(recipe.views["clusters"](state, made) == one_hot.argmax(axis=1)) > 0.95
    again = recipe.views["reconstruct"](state, images)
    assert np.mean(np.asarray(recipe.views["clusters"](state, again)) == clusters) > 0.9
