"""The regularised autoencoder: its loss, its distribution of codes, devices, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from jaxgen.devices.parallel import make_mesh
from jaxgen.errors import UserError
from jaxgen.evaluation.latent_samplers import posterior_draws
from jaxgen.models import mlp_vae
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Batch
from jaxgen.recipes.rae import moments, rae
from jaxgen.runs import session
from jaxgen.settings import default
from tests.helpers.devices import spread
from tests.recipes.test_vae import train

SHAPE, EXAMPLES = (2, 2, 1), 16


def recipe_of(learning_rate=0.1, **changes):
    settings = default.get_config().recipe
    settings.update({"ema_decay": 0.5, "rae_penalty_weight": 0.01, "rae_latent_weight": 0.1, **changes})
    model = mlp_vae.build(ConfigDict({"latent_dim": 3, "width": 5, "conditional": False}), SHAPE, 0, jnp.float32)
    return rae(model, optax.sgd(learning_rate), image_shape=SHAPE, settings=settings), model


def images():
    return np.random.default_rng(0).uniform(-1, 1, (EXAMPLES, *SHAPE)).astype(np.float32)


def step_of(recipe, devices=1):
    def update(state, x, key):
        return recipe.update(state, Batch(x, None), key, jnp.int32(3))

    specs = (P(), P(None, None, DATA_AXIS), P())
    run = jax.shard_map(update, mesh=make_mesh(devices), in_specs=specs, out_specs=P(), check_vma=devices > 1)
    state = recipe.init(jax.random.key(0))
    x = images()[None, None][:, :, spread(np.arange(EXAMPLES), devices)]
    after, metrics = jax.jit(run)(state, x, jax.random.key(0))
    return after, {name: float(value) for name, value in metrics.items()}, state


@pytest.mark.full
def test_the_loss_is_squared_error_length_and_penalty():
    recipe, model = recipe_of()
    after, m, state = step_of(recipe)
    params = state["autoencoder"].params
    codes = model.encoder.apply({"params": params["encoder"]}, images())[0]
    shown = model.decoder.apply({"params": params["decoder"]}, codes)
    error = np.mean(np.sum((images() - shown) ** 2, (1, 2, 3)))
    length = 0.5 * np.mean(np.sum(np.square(codes), -1))
    penalty = sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(params["decoder"]))
    assert m["loss"] == pytest.approx(float(error + 0.1 * length + 0.01 * penalty), rel=1e-4)
    assert m["decoder_penalty"] == pytest.approx(float(penalty), rel=1e-4)
    for network in ("encoder", "decoder"):
        new = jax.tree.leaves(after["autoencoder"].params[network])
        moved = [float(jnp.abs(a - b).max()) for a, b in zip(new, jax.tree.leaves(params[network]), strict=True)]
        assert max(moved) > 0
        if network == "decoder":  # the encoder's second output is not used
            assert min(moved) > 0


def test_codes_are_remembered_with_their_mean_and_covariance():
    recipe, _ = recipe_of(learning_rate=0.0)
    after, _, state = step_of(recipe)
    codes = np.asarray(recipe.views["encode"](after, images())[0])
    sums = {"count": 1.99, "first": codes.mean(0), "second": 0.99 * np.eye(3) + codes.T @ codes / EXAMPLES}
    for name, value in sums.items():
        np.testing.assert_allclose(after["codes"][name], value, rtol=1e-4, atol=1e-6)
    many = np.random.default_rng(1).multivariate_normal([1, -2], [[2, 0.9], [0.9, 0.5]], 100)
    sums = {"count": jnp.float32(3), "first": 3 * many.mean(0), "second": 3 * many.T @ many / 100}
    mean, covariance = moments({name: jnp.asarray(value) for name, value in sums.items()})
    np.testing.assert_allclose(mean, many.mean(0), rtol=1e-4)
    np.testing.assert_allclose(covariance, np.cov(many.T, ddof=0), rtol=1e-3)
    samples = recipe.views["sample"](state, jax.random.key(0), jnp.arange(4))
    assert samples.shape == (4, *SHAPE)


def test_the_posterior_of_a_code_is_a_point():
    recipe, _ = recipe_of()
    state = recipe.init(jax.random.key(0))
    x = ((images() + 1) * 127.5).astype(np.uint8)
    codes = recipe.views["encode"](state, x / 127.5 - 1)[0]
    draws = posterior_draws(lambda x: recipe.views["encode"](state, x / 127.5 - 1), x, jax.random.key(0), 16)
    np.testing.assert_allclose(draws, codes, rtol=1e-5)


@pytest.mark.parametrize("penalty", ["decoder_l2", "gradient"])
def test_an_update_does_not_depend_on_the_number_of_devices(penalty):
    recipe, _ = recipe_of(rae_penalty=penalty)
    one, two = (step_of(recipe, devices) for devices in (1, 2))
    for a, b in zip(jax.tree.leaves(one[0]), jax.tree.leaves(two[0]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert one[1] == pytest.approx(two[1], rel=1e-4)
    assert one[1]["decoder_penalty"] > 0.1


def rae_config(tiny_config, **changes):
    config = tiny_config("vae")
    config.recipe.name = "rae"
    config.model.update({"name": "mlp_vae", "width": 32})
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


def test_it_learns_and_its_codes_lie_where_it_samples(tiny_config):
    opened, state, m = train(rae_config(tiny_config, recipe__ema_decay=0.9), 600)
    assert m["reconstruction_loss"][-50:].mean() < 0.5 * m["reconstruction_loss"][:5].mean()
    x = opened.train.images
    shown = np.asarray(opened.views.reconstruct(state.players, x[:64])).astype(float)
    assert np.mean((shown - x[:64]) ** 2) < 0.5 * np.mean((x.mean(0) - x[:64].astype(float)) ** 2)
    codes = np.asarray(opened.views.encode(state.players, x[:256])[0])
    mean, covariance = moments(jax.device_get(state.players["codes"]))
    np.testing.assert_allclose(mean, codes.mean(0), atol=0.15 * codes.std())
    np.testing.assert_allclose(np.diag(covariance), codes.var(0), rtol=0.4)
    assert not {"latents", "log_likelihood"} & set(opened.recipe.views)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model__name": "dcgan"}, "needs the encoder and decoder of a VAE"),
        ({"recipe__rae_penalty": "gradients"}, "did you mean 'gradient'"),
        ({"recipe__rae_penalty_weight": -1.0}, "rae_penalty_weight=-1.0"),
        ({"model__name": "conv_vae", "model__batch_norm": True, "recipe__rae_penalty": "gradient"}, "batch_norm=False"),
    ],
)
def test_what_cannot_be_is_refused(tiny_config, changes, words):
    with pytest.raises(UserError, match=words):
        session.open_session(rae_config(tiny_config, **changes))
