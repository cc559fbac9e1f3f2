"""The ladder recipe: exact where the model is linear and Gaussian, it trains its priors, it learns."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict
from scipy import stats

from jaxgen.devices.parallel import make_mesh
from jaxgen.errors import UserError
from jaxgen.losses.likelihoods import bernoulli, gaussian
from jaxgen.models import ladder_vae as networks
from jaxgen.models.ladder_vae import LadderVAE
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Batch
from jaxgen.recipes.ladder_vae import ladder_vae
from jaxgen.runs import session
from jaxgen.settings import default
from tests.helpers.devices import spread

SHAPE, EXAMPLES = (2, 2, 1), 16
# z2 ~ N(0, 1), z1 ~ N(SLOPE z2, SPREAD^2), x ~ N(W z1, SIGMA^2), with one number on each level.
SLOPE, SPREAD, SIGMA, W = 0.8, 0.7, 0.6, np.array([1.0, -0.5, 0.3, 1.2])


class ExactEncoder(nn.Module):
    """The likelihood of z1 as a Gaussian, and the exact posterior of z2, moved by `shift`."""

    shift: float = 0.0

    @nn.compact
    def __call__(self, images, train=False):
        unit = self.param("unit", lambda key: jnp.asarray(W / (W @ W), jnp.float32))
        estimate = images.reshape(-1, 4) @ unit[:, None]  # of z1, by least squares
        variance = SIGMA**2 / (W @ W)
        total = SLOPE**2 + SPREAD**2 + variance
        highest = SLOPE / total * estimate + self.shift
        return (
            (estimate, jnp.full_like(estimate, np.log(variance))),
            (highest, jnp.full_like(highest, np.log(1 - SLOPE**2 / total))),
        )


class Prior(nn.Module):
    @nn.compact
    def __call__(self, latents, train=False):
        slope = self.param("slope", lambda key: jnp.float32(SLOPE))
        return slope * latents, jnp.full_like(latents, 2 * np.log(SPREAD))


class Linear(nn.Module):
    @nn.compact
    def __call__(self, latents, train=False):
        return (latents * self.param("w", lambda key: jnp.asarray(W, jnp.float32))).reshape(-1, *SHAPE)


def images():
    rng = np.random.default_rng(0)
    z1 = SLOPE * rng.normal(size=EXAMPLES) + SPREAD * rng.normal(size=EXAMPLES)
    x = z1[:, None] * W + SIGMA * rng.normal(size=(EXAMPLES, 4))
    return x.astype(np.float32).reshape(EXAMPLES, *SHAPE)


def exact():
    covariance = (SLOPE**2 + SPREAD**2) * np.outer(W, W) + SIGMA**2 * np.eye(4)
    return stats.multivariate_normal(np.zeros(4), covariance).logpdf(images().reshape(EXAMPLES, 4))


def settings_of(**changes):
    settings = default.get_config().recipe
    settings.update({"ema_decay": 0.0, **changes})
    return settings


def linear(shift=0.0, learning_rate=0.0):
    model = LadderVAE(ExactEncoder(shift), (Prior(),), Linear(), (1, 1))
    likelihood = gaussian(SIGMA)._replace(discrete=True)  # no noise is added to the images
    return ladder_vae(model, likelihood, optax.sgd(learning_rate), image_shape=SHAPE, settings=settings_of())


def step_of(recipe, devices=1, seeds=(0,), step=3):
    def update(state, x, key):
        return recipe.update(state, Batch(x, None), key, jnp.int32(step))

    specs = (P(), P(None, None, DATA_AXIS), P())
    run = jax.shard_map(update, mesh=make_mesh(devices), in_specs=specs, out_specs=P(), check_vma=devices > 1)
    run, state = jax.jit(run), recipe.init(jax.random.key(0))
    x = images()[None, None][:, :, spread(np.arange(EXAMPLES), devices)]
    outcomes = [run(state, x, jax.random.key(seed)) for seed in seeds]
    return outcomes[0][0], {name: np.array([float(m[name]) for _, m in outcomes]) for name in outcomes[0][1]}, state


def test_with_the_exact_encoder_every_weight_is_the_exact_likelihood():
    recipe = linear()
    state = recipe.init(jax.random.key(0))
    nats = recipe.views["log_likelihood"](state, images(), jax.random.key(1), jnp.arange(EXAMPLES), 2)
    np.testing.assert_allclose(nats, exact(), rtol=1e-4)


def test_the_bound_is_exact_on_average_and_lower_with_another_encoder():
    _, m, _ = step_of(linear(), seeds=range(60))
    error = m["negative_elbo"].std() / np.sqrt(60)
    assert m["negative_elbo"].mean() == pytest.approx(-exact().mean(), abs=4 * error)
    np.testing.assert_allclose(m["kl"], m["kl_level_0"] + m["kl_level_1"], rtol=1e-5)
    assert m["kl_level_0"].min() > 0.1
    _, moved, _ = step_of(linear(shift=0.5), seeds=range(60))
    lost = 0.5 * 0.5**2 / (1 - SLOPE**2 / (SLOPE**2 + SPREAD**2 + SIGMA**2 / (W @ W)))  # KL of the two posteriors
    assert moved["negative_elbo"].mean() - m["negative_elbo"].mean() == pytest.approx(lost, abs=6 * error)


def test_the_prior_between_levels_is_trained_and_samples_follow_it():
    recipe = linear(learning_rate=0.1)
    after, _, state = step_of(recipe)
    assert abs(float(after["vae"].params["prior_0"]["slope"] - state["vae"].params["prior_0"]["slope"])) > 1e-3
    noise = recipe.views["latents"](jax.random.key(0), jnp.arange(5_000))
    assert noise.shape == (5_000, 2)
    shown = np.asarray(recipe.views["decode"](state, 0.3 * noise)).reshape(-1, 4)
    expected = 0.09 * (SLOPE**2 + SPREAD**2) * np.outer(W, W)
    np.testing.assert_allclose(np.cov(shown.T), expected, atol=0.02)


@pytest.mark.parametrize("batch_norm", [False, pytest.param(True, marks=pytest.mark.full)])
@pytest.mark.full
def test_an_update_does_not_depend_on_the_number_of_devices(batch_norm):
    config = ConfigDict({"level_dims": (3, 2), "level_widths": (6, 4), "batch_norm": batch_norm})
    model = networks.build(config, SHAPE, 0, jnp.float32)
    settings = settings_of(ema_decay=0.5, beta_warmup=10)
    recipe = ladder_vae(model, bernoulli(), optax.sgd(0.1), image_shape=SHAPE, settings=settings)
    one, two = (step_of(recipe, devices) for devices in (1, 2))
    for a, b in zip(jax.tree.leaves(one[0]), jax.tree.leaves(two[0]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name, values in one[1].items():
        np.testing.assert_allclose(values, two[1][name], rtol=1e-4)
    assert one[1]["beta"] == pytest.approx(0.3)


def ladder_config(tiny_config, **changes):
    config = tiny_config("vae")
    config.recipe.name = config.model.name = "ladder_vae"
    config.model.update({"latent_dim": 100, "width": 64, "level_dims": (6, 3), "level_widths": (32, 16)})
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


@pytest.mark.full
def test_it_learns_and_reconstructs(tiny_config):
    from tests.recipes.test_vae import train

    opened, state, m = train(ladder_config(tiny_config, recipe__ema_decay=0.9, recipe__sigma=0.3), 600)
    assert m["negative_elbo"][-50:].mean() < m["negative_elbo"][:5].mean() - 10
    x = opened.train.images[:64]
    shown = np.asarray(opened.views.reconstruct(state.players, x)).astype(float)
    assert np.mean((shown - x) ** 2) < 0.7 * np.mean((x.mean(0) - x.astype(float)) ** 2)
    samples = opened.views.sample(state.players, jax.random.key(0), np.arange(4))
    latents = opened.views.latents(jax.random.key(0), np.arange(4))
    np.testing.assert_array_equal(samples, opened.views.decode(state.players, latents, np.arange(4)))
    nats = opened.views.log_likelihood(state.players, opened.test.images[:8], jax.random.key(0), np.arange(8), 2)
    assert np.isfinite(nats).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model__name": "conv_vae"}, "has no levels"),
        ({"recipe__likelihood": "ms_ssim"}, "is a loss"),
        ({"recipe__beta_warmup": -1}, "beta_warmup=-1"),
        ({"recipe__iwae_samples": 3}, "would change nothing"),
    ],
)
def test_what_cannot_be_is_refused(tiny_config, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(ladder_config(tiny_config, **changes))
