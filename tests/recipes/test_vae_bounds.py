"""Bounds of the VAE recipe where the log-likelihood is known: a linear-Gaussian model."""

from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P
from scipy import stats

from jaxgen.devices.parallel import make_mesh
from jaxgen.losses.likelihoods import gaussian
from jaxgen.models.base import VAE
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Batch
from jaxgen.recipes.vae import vae
from jaxgen.settings import default
from tests.helpers.devices import spread

SIGMA, SHAPE = 0.6, (2, 2, 1)
# Orthogonal columns, so that the posterior of x = W z + noise is a diagonal Gaussian.
W = np.array([[1.0, 0.5], [1.0, -0.5], [-0.8, 1.0], [0.8, 1.0]]) * np.array([0.9, 0.4])
W[:, 1] -= W[:, 0] * (W[:, 0] @ W[:, 1]) / (W[:, 0] @ W[:, 0])
VARIANCE = 1 / (1 + (W**2).sum(0) / SIGMA**2)
EXAMPLES = 64


class Posterior(nn.Module):
    """The exact posterior of the linear model, then moved and stretched: (0, 1) leaves it exact."""

    shift: float = 0.0
    stretch: float = 1.0

    @nn.compact
    def __call__(self, images, train=False):
        slope = self.param("slope", lambda key: jnp.asarray(W * VARIANCE / SIGMA**2, jnp.float32))
        mean = images.reshape(images.shape[0], -1) @ slope + self.shift
        variance = self.stretch * jnp.asarray(VARIANCE, jnp.float32)
        return mean, jnp.broadcast_to(jnp.log(variance), mean.shape)


class Linear(nn.Module):
    @nn.compact
    def __call__(self, latents, train=False):
        return (latents @ self.param("w", lambda key: jnp.asarray(W.T, jnp.float32))).reshape(-1, *SHAPE)


def images():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, 2)) @ W.T + SIGMA * rng.normal(size=(EXAMPLES, 4))
    return x.astype(np.float32).reshape(1, 1, EXAMPLES, *SHAPE)


def exact():
    """log N(x; 0, W W^T + sigma^2) of each example."""
    covariance = W @ W.T + SIGMA**2 * np.eye(4)
    return stats.multivariate_normal(np.zeros(4), covariance).logpdf(images().reshape(EXAMPLES, 4))


def recipe_of(posterior, likelihood, learning_rate=0.0, **options):
    settings = default.get_config().recipe
    settings.update({"ema_decay": 0.0, **options})
    model, tx = VAE(posterior, Linear(), 2), optax.sgd(learning_rate)
    return vae(model, likelihood, tx, image_shape=SHAPE, settings=settings, table=None, num_examples=10_000)


@cache
def program(posterior, devices, learning_rate, options):
    """The first state, and a compiled step `(state, images, key, step) -> (state, metrics)`."""
    recipe = recipe_of(posterior, gaussian(SIGMA), learning_rate, **dict(options))

    def update(state, x, key, step):
        return recipe.update(state, Batch(x, None), key, step)

    specs = (P(), P(None, None, DATA_AXIS), P(), P())
    sharded = jax.shard_map(update, mesh=make_mesh(devices), in_specs=specs, out_specs=P(), check_vma=devices > 1)
    return recipe.init(jax.random.key(0)), jax.jit(sharded)


def one_step(posterior, *, devices=1, key=0, step=0, learning_rate=0.0, **options):
    state, update = program(posterior, devices, learning_rate, tuple(options.items()))
    x = images()[:, :, spread(np.arange(EXAMPLES), devices)]
    state, metrics = update(state, x, jax.random.key(key), jnp.int32(step))
    return state["vae"].params, {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("samples", [2, 5, 50])
def test_the_bound_is_exact_with_the_true_posterior(samples):
    """Every weight p(x, z) / q(z | x) is then p(x), whatever z is drawn."""
    for key in (0, 1):
        loss = one_step(Posterior(), key=key, iwae_samples=samples)[1]["loss"]
        assert loss == pytest.approx(-exact().mean(), abs=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"iwae_bounds": 3},
        pytest.param({"iwae_elbo_share": 0.3}, marks=pytest.mark.full),
        pytest.param({"iwae_bounds": 3, "piwae": True}, marks=pytest.mark.full),
    ],
)
def test_averaged_and_mixed_bounds_are_exact_with_the_true_posterior(options):
    loss = one_step(Posterior(), iwae_samples=4, **options)[1]["loss"]
    assert loss == pytest.approx(-exact().mean(), abs=2e-4)


@pytest.mark.full
def test_bounds_of_the_same_draws_lie_in_the_order_of_jensen():
    """Six draws: their ELBO, the mean of three bounds of two, one bound of six."""
    posterior = Posterior(shift=0.35, stretch=1.6)
    elbo, miwae, iwae, mixed = (
        -one_step(posterior, **options)[1]["loss"]
        for options in (
            {"iwae_samples": 6, "iwae_elbo_share": 1.0},
            {"iwae_samples": 2, "iwae_bounds": 3},
            {"iwae_samples": 6},
            {"iwae_samples": 6, "iwae_elbo_share": 0.3},
        )
    )
    assert elbo < miwae - 0.01 < iwae - 0.02
    assert mixed == pytest.approx(0.3 * elbo + 0.7 * iwae, rel=1e-5)


def test_piwae_trains_the_encoder_on_small_bounds_and_the_decoder_on_one_large_bound():
    """The draws are the same in all three runs, and so are the gradients."""
    posterior = Posterior(shift=0.35, stretch=1.6)
    runs = {
        name: one_step(posterior, learning_rate=0.1, **options)[0]
        for name, options in {
            "piwae": {"iwae_samples": 2, "iwae_bounds": 3, "piwae": True},
            "miwae": {"iwae_samples": 2, "iwae_bounds": 3},
            "iwae": {"iwae_samples": 6},
        }.items()
    }
    slope, w = (
        {name: params[part][key] for name, params in runs.items()}
        for part, key in (("encoder", "slope"), ("decoder", "w"))
    )
    np.testing.assert_allclose(slope["piwae"], slope["miwae"], atol=1e-6)
    np.testing.assert_allclose(w["piwae"], w["iwae"], atol=1e-6)
    assert np.abs(slope["miwae"] - slope["iwae"]).max() > 1e-4
    assert np.abs(w["miwae"] - w["iwae"]).max() > 1e-4


@pytest.mark.full
def test_the_bound_grows_with_samples_towards_the_exact_value():
    posterior = Posterior(shift=0.35, stretch=1.6)
    bounds = [
        np.mean([-one_step(posterior, key=key, iwae_samples=samples)[1]["loss"] for key in range(2)])
        for samples in (1, 2, 10, 100, 1000)
    ]
    assert np.all(np.diff(bounds) > 0)
    assert bounds[0] < exact().mean() - 0.2
    assert bounds[-1] == pytest.approx(exact().mean(), abs=0.02)


@pytest.mark.full
def test_importance_weighting_trains_the_decoder_towards_the_exact_gradient():
    """d/dW of the mean of log N(x; 0, W W^T + sigma^2), which the bound's gradient equals for the true posterior."""

    def log_likelihood(w):
        covariance = w @ w.T + SIGMA**2 * jnp.eye(4)
        return jax.scipy.stats.multivariate_normal.logpdf(images().reshape(-1, 4), jnp.zeros(4), covariance).mean()

    expected = jax.grad(log_likelihood)(jnp.asarray(W, jnp.float32)).T
    rate = 0.1
    params, _ = one_step(Posterior(), iwae_samples=3000, learning_rate=rate)
    np.testing.assert_allclose((params["decoder"]["w"] - W.T) / rate, expected, atol=0.03)
    assert np.abs(expected).max() > 0.1


def test_the_view_is_the_same_bound():
    likelihood = gaussian(SIGMA)._replace(discrete=True)  # no noise is added to the images
    recipe = recipe_of(Posterior(), likelihood)
    state, ids = recipe.init(jax.random.key(0)), jnp.arange(EXAMPLES)
    nats = recipe.views["log_likelihood"](state, images()[0, 0], jax.random.key(1), ids, 3)
    np.testing.assert_allclose(nats, exact(), rtol=1e-4)


@pytest.mark.full
@pytest.mark.parametrize(
    "options",
    [
        {"iwae_samples": 5},
        {"free_bits": 0.3},
        {"beta": 2.0, "beta_warmup": 10},
        {"regularizer": "total_correlation"},
        pytest.param({"regularizer": "mmd", "deterministic_encoder": True, "beta": 0.0}, marks=pytest.mark.full),
        pytest.param({"regularizer": "dip_ii"}, marks=pytest.mark.full),
        pytest.param({"regularizer": "sliced_wasserstein"}, marks=pytest.mark.full),
        pytest.param({"regularizer": "capacity"}, marks=pytest.mark.full),
        pytest.param({"iwae_samples": 2, "iwae_bounds": 3, "piwae": True}, marks=pytest.mark.full),
    ],
)
def test_objectives_do_not_depend_on_the_number_of_devices(options):
    posterior = Posterior(shift=0.1, stretch=1.3)
    one, four = (one_step(posterior, devices=n, step=3, learning_rate=0.1, **options) for n in (1, 4))
    for a, b in zip(jax.tree.leaves(one[0]), jax.tree.leaves(four[0]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert one[1] == pytest.approx(four[1], rel=1e-4)
    assert np.abs(one[0]["encoder"]["slope"] - W * VARIANCE / SIGMA**2).max() > 1e-3  # it moved


def test_free_bits_take_the_pressure_off_a_dimension():
    """Below the minimum the encoder learns from the likelihood alone, above it as ever."""
    kl = 0.5 * (np.square(images().reshape(-1, 4) @ (W * VARIANCE / SIGMA**2)) + VARIANCE - 1 - np.log(VARIANCE)).mean(
        0
    )
    free = 1.1 * max(kl)
    slopes = {}
    for name, options in {"free": {"free_bits": free}, "beta 0": {"beta": 0.0}, "elbo": {}}.items():
        params, metrics = one_step(Posterior(), learning_rate=0.1, **options)
        slopes[name] = params["encoder"]["slope"]
        if name == "free":
            assert metrics["loss"] == pytest.approx(2 * free - metrics["log_likelihood"], rel=1e-5)
    np.testing.assert_allclose(slopes["free"], slopes["beta 0"], atol=1e-6)
    assert np.abs(slopes["free"] - slopes["elbo"]).max() > 1e-3


def exact_kl():
    mean = images().reshape(-1, 4) @ (W * VARIANCE / SIGMA**2)
    return 0.5 * (np.square(mean) + VARIANCE - 1 - np.log(VARIANCE)).sum(1).mean()


def test_a_regulariser_is_added_to_the_loss_or_stands_in_place_of_the_kl():
    metrics = one_step(Posterior(), regularizer="dip_i", regularizer_weight=2.0)[1]
    assert metrics["loss"] == pytest.approx(metrics["kl"] - metrics["log_likelihood"] + metrics["dip"], rel=1e-5)
    mean = images().reshape(-1, 4) @ (W * VARIANCE / SIGMA**2)
    covariance = np.cov(mean, rowvar=False, bias=True)
    own = np.square(np.diag(covariance) - 1).sum()
    others = np.square(covariance).sum() - np.square(np.diag(covariance)).sum()
    assert metrics["dip"] == pytest.approx(2 * others + 20 * own, rel=1e-4)
    metrics = one_step(Posterior(), step=50, regularizer="capacity", regularizer_weight=3.0, capacity_steps=100)[1]
    assert metrics["kl"] == pytest.approx(exact_kl(), rel=1e-5)
    assert metrics["loss"] == pytest.approx(3 * abs(exact_kl() - 12.5) - metrics["log_likelihood"], rel=1e-5)


def test_a_deterministic_encoder_has_no_noise_and_no_bound():
    options = {"deterministic_encoder": True, "beta": 0.0}
    metrics = [one_step(Posterior(stretch=9.0), key=key, **options)[1] for key in (0, 1)]
    assert metrics[0] == metrics[1]
    assert not metrics[0].keys() & {"kl", "negative_elbo", "active_dimensions", "posterior_collapse"}
    mean = images().reshape(-1, 4) @ (W * VARIANCE / SIGMA**2)
    log_p = stats.norm.logpdf(images().reshape(-1, 4), mean @ W.T, SIGMA).sum(1).mean()
    assert metrics[0]["loss"] == pytest.approx(-log_p, rel=1e-5)
    recipe = recipe_of(Posterior(), gaussian(SIGMA), **options)
    assert set(recipe.views) == {"sample", "latents", "decode", "reconstruct", "encode"}
    assert not recipe.facts
    state = recipe.init(jax.random.key(0))
    np.testing.assert_array_equal(recipe.views["encode"](state, images()[0, 0])[1], -30.0)


def test_beta_is_warmed_up_and_logged():
    metrics = [one_step(Posterior(), step=step, beta=3.0, beta_warmup=10)[1] for step in (0, 5, 20)]
    assert [m["beta"] for m in metrics] == [0.0, 1.5, 3.0]
    for m in metrics:
        assert m["loss"] == pytest.approx(m["beta"] * m["kl"] - m["log_likelihood"], rel=1e-5)


def test_collapsed_dimensions_are_counted():
    class Collapsed(nn.Module):
        @nn.compact
        def __call__(self, images, train=False):
            mean, log_variance = Posterior()(images)
            return mean * jnp.array([1.0, 0.0]), log_variance * jnp.array([1.0, 0.0])

    assert {k: one_step(Collapsed())[1][k] for k in ("active_dimensions", "posterior_collapse")} == {
        "active_dimensions": 1.0,
        "posterior_collapse": 0.5,
    }
    assert one_step(Posterior(), devices=4)[1]["posterior_collapse"] == 0.0
