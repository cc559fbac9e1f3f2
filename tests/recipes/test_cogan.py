"""CoGAN: how images of the second kind are made, and pairs that it learns without seeing one."""

from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.ndimage import grey_dilation

from jaxgen.losses import adversarial
from jaxgen.models.cogan import CoGAN
from jaxgen.recipes import cogan
from jaxgen.recipes.adversary import Adversary
from jaxgen.recipes.base import Batch
from tests.helpers.linear_networks import SHAPE, run, sharded


def test_edges_are_the_dilated_image_minus_the_image():
    images = np.random.default_rng(0).uniform(0, 1, (3, 9, 7, 1)).astype(np.float32)
    expected = np.stack([grey_dilation(image[..., 0], size=(3, 3))[..., None] - image for image in images])
    np.testing.assert_allclose(cogan.edges(2 * images - 1), 2 * expected - 1, atol=1e-6)
    np.testing.assert_allclose(cogan.negative(2 * images - 1), 1 - 2 * images, atol=1e-6)


class Coupled(nn.Module):
    """Shared hidden layers, then a linear layer for each kind of images."""

    @nn.compact
    def __call__(self, z, train=False):
        for _ in range(2):
            z = nn.relu(nn.Dense(32)(z))
        return tuple(jnp.tanh(nn.Dense(4)(z)).reshape(-1, *SHAPE) for _ in range(2))


class CoupledJudge(nn.Module):
    """A linear layer for each kind of images, then shared hidden layers: [B, 2]."""

    @nn.compact
    def __call__(self, *images, train=False):
        own = [nn.leaky_relu(nn.Dense(32)(x.reshape(x.shape[0], -1)), 0.2) for x in images]
        x = jnp.concatenate(own)
        for _ in range(2):
            x = nn.leaky_relu(nn.Dense(32)(x), 0.2)
        return nn.Dense(1)(x).reshape(2, -1).T


@pytest.mark.full
def test_it_learns_both_kinds_of_images_from_unpaired_batches():
    """Data on a line in four dimensions: the mean of either kind comes out."""
    model = CoGAN(Coupled(), CoupledJudge(), 2)
    adversary = Adversary(CoupledJudge(), adversarial.non_saturating, optax.adam(1e-3, b1=0.5))
    settings = SimpleNamespace(second_kind="negative", ema_decay=0.99)
    recipe = cogan.cogan(model, adversary, optax.adam(1e-3, b1=0.5), image_shape=SHAPE, settings=settings)
    assert recipe.batches == 2
    centre = jnp.array([0.5, 0.5, -0.5, 0.0])

    def images_of(normal):
        return centre + 0.15 * normal[:, :1] * jnp.array([1.0, -1, 0, 1])

    state, metrics = run(recipe, images_of, steps=1000, batch=64)
    assert np.isfinite(metrics["loss_g"]).all()
    key, ids = jax.random.key(3), jnp.arange(1000)
    first, second = (np.asarray(recipe.views[view](state, key, ids)) for view in ("sample", "sample_second"))
    np.testing.assert_allclose(first.mean(0).ravel(), centre, atol=0.12)
    np.testing.assert_allclose(second.mean(0).ravel(), -centre, atol=0.12)
    np.testing.assert_allclose(recipe.views["sample_converted"](state, key, ids), -first)
    assert set(recipe.images) >= {"sample", "decode", "sample_second", "sample_converted"}


@pytest.mark.full
def test_the_discriminators_see_the_second_batch_as_images_of_the_second_kind():
    """With a learning rate of 0: logits and losses of a step, from the first batch and the second one's negative."""
    model = CoGAN(Coupled(), CoupledJudge(), 2)
    adversary = Adversary(CoupledJudge(), adversarial.non_saturating, optax.sgd(0.0))
    settings = SimpleNamespace(second_kind="negative", ema_decay=0.0)
    recipe = cogan.cogan(model, adversary, optax.sgd(0.0), image_shape=SHAPE, settings=settings)
    state = recipe.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (2, 1, 8, *SHAPE))
    _, metrics = sharded(recipe.update)(state, Batch(images, None), jax.random.key(2), jnp.int32(0))
    params = {"params": state["d"].params}
    real = CoupledJudge().apply(params, images[0, 0], -images[1, 0])
    assert float(metrics["real_logits_d"]) == pytest.approx(float(real.mean()), rel=1e-4)
    latents = recipe.views["latents"](jax.random.split(jax.random.key(2), 1)[0], jnp.arange(8))
    fakes = Coupled().apply({"params": state["g"].params}, latents)
    fake = CoupledJudge().apply(params, *fakes)
    assert float(metrics["fake_logits_d"]) == pytest.approx(float(fake.mean()), rel=1e-4)
    softplus = np.logaddexp(0, [-np.asarray(real), np.asarray(fake)])
    assert float(metrics["loss_d"]) == pytest.approx(softplus[0].mean() + softplus[1].mean(), rel=1e-4)
    assert float(metrics["loss_g"]) == pytest.approx(np.logaddexp(0, -np.asarray(fake)).mean(), rel=1e-4)
