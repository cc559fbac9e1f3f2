"""FactorVAE: latents shuffled column by column, both players' steps, and a density ratio that finds the correlation."""

import sys
from types import ModuleType

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from sklearn.metrics import accuracy_score, log_loss

from jaxgen.devices.parallel import make_mesh
from jaxgen.errors import UserError
from jaxgen.models.base import VAE
from jaxgen.models.latent_discriminator import LatentDiscriminator
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes import factor_vae
from jaxgen.recipes.base import Batch
from jaxgen.settings import default
from tests.helpers.devices import spread

KEY = jax.random.key(0)
SHAPE = (1, 2, 1)
NOISE = 0.2


class Encoder(nn.Module):
    """The two pixels, times a number to learn, with little noise."""

    @nn.compact
    def __call__(self, images, train=False):
        mean = images.reshape(-1, 2) * self.param("scale", lambda key: jnp.ones(()))
        return mean, jnp.full_like(mean, 2 * np.log(NOISE))


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, latents, train=False):
        return (latents * self.param("scale", lambda key: jnp.ones(()))).reshape(-1, *SHAPE)


@pytest.fixture(autouse=True)
def module(monkeypatch):
    """A model of one's own, with the two networks above."""
    made = ModuleType("mine_scale.vae")
    made.build = lambda config, image_shape, num_classes, dtype: VAE(Encoder(), Decoder(), 2)
    monkeypatch.setitem(sys.modules, "mine_scale", ModuleType("mine_scale"))
    monkeypatch.setitem(sys.modules, "mine_scale.vae", made)


def config_of(**changes):
    config = default.get_config()
    config.model.update({"name": "mine_scale.vae", "discriminator_width": 16, "hidden_layers": 2})
    config.recipe.update({"name": "factor_vae", "sigma": 1.0, "ema_decay": 0.0})
    config.optimizers.vae.update({"name": "sgd", "b1": 0.0, "learning_rate": 0.01})
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


def images(seed, count, correlation=0.8):
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(np.zeros(2), [[1, correlation], [correlation, 1]], (2, 1, count))
    return x.astype(np.float32).reshape(2, 1, count, *SHAPE)


def program(config, devices=1):
    recipe = factor_vae.build(config, SHAPE, 0)

    def update(state, x, key, step):
        return recipe.update(state, Batch(x, None), key, step)

    specs = (P(), P(None, None, DATA_AXIS), P(), P())
    sharded = jax.shard_map(update, mesh=make_mesh(devices), in_specs=specs, out_specs=P(), check_vma=devices > 1)
    return recipe, jax.jit(sharded)


def test_every_column_is_shuffled_on_its_own():
    latents = jnp.arange(40.0).reshape(20, 2)
    shuffled = np.asarray(factor_vae.shuffle_columns(latents, KEY))
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), latents)
    assert (shuffled[:, 1] - shuffled[:, 0] != 1).any()  # the rows are not those before
    assert not np.array_equal(np.argsort(shuffled[:, 0]), np.argsort(shuffled[:, 1]))
    assert not np.array_equal(shuffled, factor_vae.shuffle_columns(latents, jax.random.key(1)))


def test_the_discriminator_s_loss_is_the_mean_of_two_cross_entropies():
    real, fake = np.random.default_rng(0).normal(size=(2, 9, 2))
    logits = np.concatenate([real, fake])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.repeat([0, 1], 9)
    loss, accuracy = factor_vae.classification(jnp.asarray(real), jnp.asarray(fake))
    assert float(loss) == pytest.approx(log_loss(truth, probabilities), rel=1e-5)
    assert float(accuracy) == pytest.approx(accuracy_score(truth, logits.argmax(1)))


def test_the_paper_s_discriminator():
    """By hand, 10 latents: 11 * 1000, five times 1001 * 1000, and 1001 * 2."""
    shapes = jax.eval_shape(lambda: LatentDiscriminator().init(KEY, jnp.zeros((1, 10))))
    assert sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(shapes)) == 11_000 + 5 * 1_001_000 + 2_002


@pytest.mark.full
def test_a_step_moves_both_players_alike_on_one_device_and_on_two():
    config = config_of(recipe__regularizer_weight=3.0, optimizers__discriminator__name="sgd")
    config.optimizers.discriminator.update({"b1": 0.0, "learning_rate": 0.1})
    x, after = images(0, 16), []
    for devices in (1, 2):
        recipe, update = program(config, devices)
        before = recipe.init(KEY)
        state, metrics = update(before, spread_batches(x, devices), jax.random.key(1), jnp.int32(0))
        after.append((jax.device_get(state), {name: float(value) for name, value in metrics.items()}))
        for name in ("vae", "discriminator"):
            moved = [
                np.abs(a - b).max()
                for a, b in zip(*(jax.tree.leaves(s[name].params) for s in (before, state)), strict=True)
            ]
            assert max(moved) > 1e-4, name
    for a, b in zip(*(jax.tree.leaves(state) for state, _ in after), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert after[0][1] == pytest.approx(after[1][1], rel=1e-4, abs=1e-5)
    metrics = after[0][1]
    weighted = metrics["negative_elbo"] + 3 * metrics["total_correlation"]
    assert metrics["loss"] == pytest.approx(weighted, rel=1e-4)
    assert set(recipe.views) == {"sample", "latents", "decode", "reconstruct", "encode", "log_likelihood"}


def spread_batches(x, devices):
    return x[:, :, spread(np.arange(x.shape[2]), devices)]


@pytest.mark.full
def test_the_density_ratio_finds_the_total_correlation():
    """The VAE stands still, so that the latents are Gaussian with a known total correlation."""
    config = config_of(optimizers__vae__learning_rate=0.0, optimizers__discriminator__learning_rate=3e-3)
    recipe, update = program(config)
    state, found = recipe.init(KEY), []

    def steps(state, first):
        def body(state, step):
            key = jax.random.fold_in(KEY, step)
            pixels = jax.random.normal(key, (2, 1, 512, 2)) @ jnp.array([[1.0, 0.8], [0.0, 0.6]])
            state, metrics = update(state, pixels.reshape(2, 1, 512, *SHAPE), key, step)
            return state, metrics["total_correlation"]

        return jax.lax.scan(body, state, first + jnp.arange(100))

    steps = jax.jit(steps)
    for first in range(0, 400, 100):
        state, values = steps(state, first)
        found.append(float(values[-50:].mean()))
    correlation = 0.8 / (1 + NOISE**2)
    assert found[-1] == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=0.06)
    assert found[-1] > 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe__regularizer": "dip_i"}, "recipe 'factor_vae' has none"),
        ({"recipe__iwae_samples": 5}, "recipe 'factor_vae' has none"),
        ({"recipe__regularizer_weight": -1.0}, "regularizer_weight=-1"),
        ({"model__hidden_layers": 0}, "hidden_layers=0"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        factor_vae.build(config_of(**changes), SHAPE, 0)
