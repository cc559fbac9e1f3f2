"""Families of posteriors and priors in the VAE recipe: exact bounds where they are known, devices, views, refusals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict
from scipy import special, stats

from jaxgen.devices import parallel
from jaxgen.devices.parallel import make_mesh
from jaxgen.errors import UserError
from jaxgen.losses.likelihoods import gaussian, likelihood_of
from jaxgen.models import mlp_vae
from jaxgen.models.base import VAE
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Batch
from jaxgen.recipes.posteriors.base import posterior_of
from jaxgen.recipes.priors import vamp
from jaxgen.recipes.vae import vae
from jaxgen.runs import session
from jaxgen.settings import default
from jaxgen.training import compiled_steps
from tests.helpers.devices import spread

SHAPE, SIGMA, EXAMPLES = (2, 2, 1), 0.5, 16
IDS = jnp.arange(4_000)
FAMILIES = {
    "categorical": {"posterior": "categorical", "categories": 3},
    "joint": {"posterior": "joint", "categories": 3, "joint_capacities": (2.0, 0.9), "joint_capacity_steps": 20},
    "gamma": {"posterior": "gamma", "gamma_prior": (2.0, 1.0)},
    "vamp": {"prior": "vamp", "pseudo_inputs": 7},
    "vamp, importance-weighted": {"prior": "vamp", "pseudo_inputs": 7, "iwae_samples": 3},
}


def settings_of(**changes):
    settings = default.get_config().recipe
    settings.update({"ema_decay": 0.0, "sigma": SIGMA, **changes})
    return settings


def recipe_of(model, learning_rate=0.0, likelihood=None, **changes):
    settings = settings_of(**changes)
    likelihood = likelihood or likelihood_of(settings, None)
    return vae(model, likelihood, optax.sgd(learning_rate), image_shape=SHAPE, settings=settings, table=None)


def images(count=EXAMPLES):
    return np.random.default_rng(0).uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


def log_likelihood(recipe, samples):
    """The view, without noise on the pixels."""
    state = recipe.init(jax.random.key(0))
    return recipe.views["log_likelihood"](state, images(), jax.random.key(1), jnp.arange(EXAMPLES), samples), state


class Table(nn.Module):
    """The mean of x for each category: decodes one-hot latents."""

    means: tuple

    @nn.compact
    def __call__(self, latents, train=False):
        return (latents @ self.param("means", lambda key: jnp.asarray(self.means))).reshape(-1, *SHAPE)


class ExactLogits(nn.Module):
    """log p(x | k) of each category, the logits of the exact posterior."""

    means: tuple

    @nn.compact
    def __call__(self, images, train=False):
        errors = images.reshape(-1, 1, 4) - jnp.asarray(self.means)
        logits = -0.5 * jnp.sum(jnp.square(errors), axis=-1) / SIGMA**2
        return logits + self.param("unused", nn.initializers.zeros, (1,)), jnp.zeros_like(logits)


def test_the_bound_of_categories_is_exact_with_the_exact_posterior():
    means = tuple(map(tuple, np.random.default_rng(1).normal(size=(3, 4)).tolist()))
    model = VAE(ExactLogits(means), Table(means), 3)
    likelihood = gaussian(SIGMA)._replace(discrete=True)
    nats, state = log_likelihood(recipe_of(model, likelihood=likelihood, **FAMILIES["categorical"]), 3)
    x = images().reshape(-1, 4)
    joint = [stats.multivariate_normal(mean, SIGMA**2 * np.eye(4)).logpdf(x) - np.log(3) for mean in means]
    np.testing.assert_allclose(nats, special.logsumexp(joint, axis=0), rtol=1e-4)
    recipe = recipe_of(model, likelihood=likelihood, **FAMILIES["categorical"])
    np.testing.assert_array_equal(recipe.views["clusters"](state, images()), np.argmax(joint, axis=0))


@pytest.mark.parametrize("family", ["categorical", "joint", "gamma"])
def test_weights_of_exact_draws_average_to_one(family):
    """E_q p(z) / q(z) = 1 for any posterior that is nowhere 0."""
    posterior = posterior_of(settings_of(**FAMILIES[family]), 6)
    encoded = jnp.full((len(IDS), 6), 0.7).at[:, 3].set(1.2), jnp.full((len(IDS), 6), 0.3)
    latents, log_ratio = jax.jit(posterior.exact)(encoded, jax.random.key(0), IDS)
    assert latents.shape == (len(IDS), 6)
    weights = np.exp(np.asarray(log_ratio, np.float64))
    error = weights.std() / np.sqrt(len(weights))
    assert abs(weights.mean() - 1) < 4 * error < 0.3
    kl, ratios = np.sum(posterior.kl(tuple(x[:1] for x in encoded))), np.asarray(log_ratio, np.float64)
    assert kl == pytest.approx(-ratios.mean(), abs=4 * ratios.std() / np.sqrt(len(IDS)))
    assert kl > 0.02


@pytest.mark.parametrize("family", ["categorical", "joint", "gamma"])
@pytest.mark.full
def test_draws_of_the_prior_are_draws_of_the_posterior_that_equals_it(family):
    posterior = posterior_of(settings_of(**FAMILIES[family]), 6)
    encoded = jnp.zeros((len(IDS), 6)), jnp.zeros((len(IDS), 6))
    if family == "gamma":  # softplus of these is the prior's shape and rate
        encoded = tuple(jnp.full((len(IDS), 6), np.log(np.expm1(value - 1e-2))) for value in (2.0, 1.0))
    np.testing.assert_allclose(posterior.kl(encoded), 0, atol=1e-5)
    drawn, _ = posterior.exact(encoded, jax.random.key(0), IDS)
    prior = posterior.prior(jax.random.key(1), IDS)
    np.testing.assert_allclose(prior.mean(0), drawn.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(prior.T), np.cov(drawn.T), atol=0.4)
    assert float(prior.var()) > 0.1


def test_capacities_take_the_place_of_the_kl():
    posterior = posterior_of(settings_of(**FAMILIES["joint"]), 5)  # two Gaussian latents and three categories
    mean_kl = jnp.array([1.5, 1.5, 0.4])
    assert float(posterior.penalty(mean_kl, jnp.int32(0))) == pytest.approx(30 * 3.4)
    assert float(posterior.penalty(mean_kl, jnp.int32(10))) == pytest.approx(30 * (2.0 + 0.05))
    assert float(posterior.penalty(mean_kl, jnp.int32(500))) == pytest.approx(30 * (1.0 + 0.5))


def test_the_vamp_prior_is_a_mixture_of_posteriors():
    rng = np.random.default_rng(2)
    mean, log_variance, z = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    pairs = zip(mean, log_variance, strict=True)
    components = [stats.multivariate_normal(m, np.diag(np.exp(v))).logpdf(z) for m, v in pairs]
    expected = special.logsumexp(components, axis=0) - np.log(4) - stats.norm.logpdf(z).sum(1)
    computed = vamp.log_over_normal(*(jnp.asarray(a, jnp.float32) for a in (z, mean, log_variance)))
    np.testing.assert_allclose(computed, expected, rtol=1e-4)
    prior = vamp.build(settings_of(**FAMILIES["vamp"]), SHAPE)
    parameters = prior.init(jax.random.key(0))
    assert parameters["pseudo_inputs"].shape == (7, *SHAPE)
    seen = []
    prior.components(parameters, lambda images: seen.append(images) or images)
    assert float(jnp.abs(seen[0]).max()) < 1
    parts = jnp.array([[-3.0], [5.0]]), jnp.log(jnp.array([[0.01], [0.04]]))
    draws = np.asarray(
        vamp.build(settings_of(prior="vamp", pseudo_inputs=2), SHAPE).draw(parts, jax.random.key(1), IDS)
    )
    left = draws[:, 0] < 0
    assert left.mean() == pytest.approx(0.5, abs=0.04)
    assert (draws[left].std(), draws[~left].std()) == (pytest.approx(0.1, rel=0.1), pytest.approx(0.2, rel=0.1))


@pytest.mark.full
def test_the_kl_to_the_vamp_prior_is_that_of_its_draws():
    """The loss of one update equals the formula, written out with the encoder's own numbers."""
    model = mlp_vae.build(ConfigDict({"latent_dim": 6, "width": 8, "conditional": False}), SHAPE, 0, jnp.float32)
    recipe = recipe_of(model, **FAMILIES["vamp"])
    state = recipe.init(jax.random.key(0))
    pseudo = jnp.tanh(state["vae"].params["prior"]["pseudo_inputs"])
    assert pseudo.shape == (7, *SHAPE)
    encoded = recipe.views["encode"](state, images())
    parts = recipe.views["encode"](state, pseudo)
    means = []
    for seed in range(300):
        noise = np.random.default_rng(seed).normal(size=encoded[0].shape)
        z = encoded[0] + np.exp(0.5 * encoded[1]) * noise
        log_q = stats.norm.logpdf(noise).sum(1) - 0.5 * np.asarray(encoded[1]).sum(1)
        log_p = vamp.log_over_normal(z, *parts) + stats.norm.logpdf(z).sum(1)
        means.append(np.mean(log_q - log_p))
    update = program(model, 1, FAMILIES["vamp"], 0.0)[1]
    kls = [float(step_of(update, state, 1, seed)[1]["kl"]) for seed in range(20)]
    assert np.mean(kls) == pytest.approx(np.mean(means), abs=4 * np.std(kls) / np.sqrt(20))
    views = recipe.views
    assert {"sample", "decode", "encode", "log_likelihood"} <= set(views)
    assert "latents" not in views  # the prior's latents need the state
    assert views["sample"](state, jax.random.key(0), jnp.arange(3)).shape == (3, *SHAPE)


def program(model, devices, changes, learning_rate):
    recipe = recipe_of(model, learning_rate, **changes)

    def update(state, x, key, step):
        return recipe.update(state, Batch(x, None), key, step)

    specs = (P(), P(None, None, DATA_AXIS), P(), P())
    sharded = jax.shard_map(update, mesh=make_mesh(devices), in_specs=specs, out_specs=P(), check_vma=devices > 1)
    return recipe.init(jax.random.key(0)), jax.jit(sharded)


def step_of(update, state, devices, key=0):
    x = images().reshape(1, 1, EXAMPLES, *SHAPE)[:, :, spread(np.arange(EXAMPLES), devices)]
    return update(state, x, jax.random.key(key), jnp.int32(3))


@pytest.mark.parametrize("family", ["categorical", "joint", "gamma", "vamp, importance-weighted"])
@pytest.mark.full
def test_an_update_does_not_depend_on_the_number_of_devices(family):
    model = mlp_vae.build(ConfigDict({"latent_dim": 6, "width": 5, "conditional": False}), SHAPE, 0, jnp.float32)
    results = []
    for devices in (1, 2):
        state, update = program(model, devices, FAMILIES[family], 0.05)
        after, metrics = step_of(update, state, devices)
        results.append((jax.device_get(after["vae"].params), {k: float(v) for k, v in metrics.items()}))
    for a, b in zip(jax.tree.leaves(results[0][0]), jax.tree.leaves(results[1][0]), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-4)
    for before, after in zip(*map(jax.tree.leaves, (state["vae"].params, results[1][0])), strict=True):
        assert float(jnp.abs(after - before).max()) > 0


def train(config, steps):
    config.steps, config.steps_per_dispatch = steps, 50
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=50)
    history = []
    for _ in range(steps // 50):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    return opened, state, {name: np.concatenate([m[name] for m in history]) for name in history[0]}


def config_of(tiny_config, **changes):
    config = tiny_config("vae")
    config.model.update({"name": "mlp_vae", "width": 32, "latent_dim": 12})
    config.recipe.ema_decay = 0.9
    config.recipe.update(changes)
    return config


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.full] * (name != "categorical")) for name in list(FAMILIES)[:4]]
)
def test_it_learns_and_reconstructs(tiny_config, family):
    more = {"joint": {"joint_capacities": (8.0, 1.0), "joint_capacity_steps": 200}, "gamma": {"sigma": 0.3}}
    opened, state, m = train(config_of(tiny_config, **{**FAMILIES[family], **more.get(family, {})}), 600)
    assert m["negative_elbo"][-50:].mean() < m["negative_elbo"][:5].mean() - 10
    x = opened.train.images[:64]
    shown = np.asarray(opened.views.reconstruct(state.players, x)).astype(float)
    blind = np.mean((x.mean(0) - x.astype(float)) ** 2)
    # A weight of 30 holds the joint family to its capacities, so that it learns images more slowly (0.81 was measured).
    assert np.mean((shown - x) ** 2) < (0.9 if family == "joint" else 0.8) * blind
    assert opened.views.sample(state.players, jax.random.key(0), np.arange(3)).shape == (3, 8, 8, 1)
    nats = opened.views.log_likelihood(state.players, opened.test.images[:8], jax.random.key(0), np.arange(8), 2)
    assert np.isfinite(nats).all()
    assert ("encode" in opened.recipe.views) == (family == "vamp")
    assert ("clusters" in opened.recipe.views) == (family == "joint")  # categorical: four variables
    if family == "joint":
        clusters = np.asarray(opened.views.clusters(state.players, x))
        assert clusters.dtype == np.int32
        assert set(clusters) <= {0, 1, 2}


def test_a_loss_that_is_no_likelihood_withholds_its_view(tiny_config):
    config = config_of(tiny_config, likelihood="ms_ssim")
    recipe = session.open_session(config).recipe
    assert "log_likelihood" not in recipe.views
    assert recipe.facts == {}
    assert "log_likelihood" in session.open_session(config_of(tiny_config, likelihood="log_cosh")).recipe.views


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"posterior": "gama"}, "did you mean 'gamma'"),
        ({"prior": "vampp"}, "did you mean 'vamp'"),
        ({"posterior": "categorical"}, "latent_dim=12 is no multiple of config.recipe.categories=10"),
        ({"posterior": "categorical", "categories": 1}, "categories=1: it must be 2 or more"),
        ({"posterior": "categorical", "categories": 3, "temperature_minimum": 1.0}, "leaves nothing to anneal"),
        ({"posterior": "categorical", "categories": 3, "iwae_samples": 4}, "needs config.recipe.posterior='gaussian'"),
        ({"posterior": "joint", "discrete_latents": 2}, "leaves no Gaussian latents beside 2 x 10 categories"),
        ({"posterior": "joint", "joint_capacities": (5.0, 2.4)}, r"categories hold at most 2.3026 nats"),
        ({"posterior": "joint", "beta": 2.0}, "weighs its KL terms by capacities"),
        ({"posterior": "gamma", "gamma_prior": (1.0, 0.0)}, "both above 0"),
        ({"posterior": "gamma", "prior": "vamp"}, "needs config.recipe.posterior='gaussian'"),
        ({"prior": "vamp", "free_bits": 0.1}, "has no KL for each latent"),
        ({"prior": "vamp", "pseudo_inputs": 0}, "pseudo_inputs=0"),
        ({"likelihood": "ms_ssim", "iwae_samples": 2}, "is a loss and no likelihood"),
        ({"categories": 5}, "config.recipe.categories=5 would change nothing"),
    ],
)
def test_what_cannot_be_is_refused(tiny_config, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(config_of(tiny_config, **changes))


def test_the_vamp_prior_refuses_batch_normalisation(tiny_config):
    config = tiny_config("vae")
    config.model.batch_norm, config.recipe.prior = True, "vamp"
    with pytest.raises(UserError, match=r"Set config\.model\.batch_norm=False"):
        session.open_session(config)
