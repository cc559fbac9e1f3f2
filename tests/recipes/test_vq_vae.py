"""The VQ-VAE recipe: it learns codes and a prior, independently of devices, and bounds the likelihood honestly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.settings import default
from jaxgen.training import compiled_steps


@pytest.fixture
def vq_config(tiny_config):
    def make(**options):
        config = tiny_config("vae", **options)
        config.recipe.name = config.model.name = "vq_vae"
        config.model.update({"num_codes": 16, "code_dim": 4, "downsamplings": 1, "residual_blocks": 1})
        config.model.update({"prior_width": 16, "prior_layers": 1, "prior_heads": 2})
        config.model.latent_dim = default.get_config().model.latent_dim  # is none of its own
        return config

    return make


def run(config, steps, per_dispatch=5):
    config.steps, config.steps_per_dispatch = steps, per_dispatch
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=per_dispatch
    )
    history = []
    for _ in range(steps // per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    return opened, state, {name: np.concatenate([m[name] for m in history]) for name in history[0]}, compiled


@pytest.mark.full
def test_it_learns_reconstructs_and_its_prior_learns(vq_config):
    config = vq_config()
    config.recipe.ema_decay = 0.9
    config.model.width = 16
    opened, state, m, _ = run(config, 500, 50)
    assert m["negative_elbo"][-20:].mean() < m["negative_elbo"][:5].mean() - 30
    assert m["loss_prior"][-20:].mean() < 0.85 * 16 * np.log(16)  # nats of 4x4 even codes
    assert m["perplexity"][-20:].mean() > 4
    images = opened.test.images[:64]
    shown = np.asarray(opened.views.reconstruct(state.players, images)).astype(float)
    blind = np.mean((opened.train.images.mean(0) - images.astype(float)) ** 2)
    assert np.mean((shown - images) ** 2) < 0.5 * blind
    samples = np.asarray(opened.views.sample(state.players, jax.random.key(0), np.arange(64)))
    assert samples.shape == images.shape
    # Samples are as bright and as varied as digits are, where the mean image or noise are not.
    assert samples.mean() == pytest.approx(images.mean(), rel=0.25)
    assert samples.astype(float).std(0).mean() > 0.5 * images.astype(float).std(0).mean()


@pytest.mark.full
def test_the_bound_is_likelihood_and_prior_of_the_codes(vq_config):
    """With one code for everything p(z) = 1, and what is left is the likelihood of the one image that it decodes to."""
    config = vq_config()
    config.model.num_codes = 1
    config.recipe.likelihood = "discretised_logistic"
    opened, state, m, _ = run(config, 5)
    np.testing.assert_allclose(m["loss_prior"], 0, atol=1e-6)
    images = opened.test.images[:8]
    nats = opened.views.log_likelihood(state.players, images, jax.random.key(0), np.arange(8), 1)
    (shown,) = np.unique(opened.views.reconstruct(state.players, images), axis=0)  # all the same
    bits = -np.asarray(nats) / 64 / np.log(2)
    assert np.all(bits > 3)
    from jaxgen.losses.likelihoods import discretised_logistic

    ema = state.players["ema"].params
    centred = (jnp.asarray(images, jnp.float32) / 127.5 - 1, jnp.asarray(shown[None], jnp.float32) / 127.5 - 1)
    expected = discretised_logistic().log_prob(ema["likelihood"], centred[1], centred[0])
    np.testing.assert_allclose(nats, expected, rtol=5e-3)  # `shown` is rounded to gray levels


@pytest.mark.full
@pytest.mark.parametrize("parts", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_trajectory_does_not_depend_on_the_number_of_devices(vq_config, parts):
    results = []
    for devices in (1, 4):
        config = vq_config(sgd=True)
        config.optimizers.vae.learning_rate = 1e-5  # the loss sums over pixels: its gradients are large
        config.grad_accum_steps = parts
        config.recipe.revive_below, config.recipe.codebook_decay = (
            0.9,
            0.5,
        )  # many codes are replaced, each by an example of any device
        config.num_devices = devices
        _, state, metrics, _ = run(config, 10)
        results.append((jax.device_get(parallel.local(state.players)), metrics))
    assert results[0][1]["codes_revived"].sum() > 20
    for x, y in zip(jax.tree.leaves(results[0][0]), jax.tree.leaves(results[1][0]), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=2e-5)
    for name, values in results[0][1].items():
        np.testing.assert_allclose(values, results[1][1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.full
def test_the_first_batch_makes_the_codebook(vq_config):
    config = vq_config(sgd=True)
    config.optimizers.vae.learning_rate = 0.0
    opened, state, m, _ = run(config, 1, 1)
    assert m["codes_revived"][0] == 16
    codebook = state.players["vae"].stats["codebook"]
    np.testing.assert_allclose(codebook.usage, 1 / 16, rtol=1e-5)
    # Every vector is some encoder output of the batch, so of the training images.
    variables = {"params": state.players["vae"].params["encoder"]}
    images = jnp.asarray(opened.train.images, jnp.float32) / 127.5 - 1
    from jaxgen.models import vq_vae

    encoder = vq_vae.build(config.model, (8, 8, 1), 0, jnp.float32).encoder
    encoded = np.asarray(encoder.apply(variables, images)).reshape(-1, 1, 4)
    distances = np.abs(encoded - np.asarray(codebook.vectors())).max(-1)
    assert distances.min(0).max() < 1e-5


@pytest.mark.full
def test_one_all_reduce_for_both_players(vq_config):
    config = vq_config()
    config.num_devices = 4
    assert run(config, 1, 1)[3].collectives == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.name", "conv_vae", "has no codes"),
        ("model.num_codes", 0, "num_codes=0"),
        ("model.prior_heads", 3, "prior_width=16 does not divide"),
        ("recipe.commitment", 0.0, "commitment=0.0"),
        ("recipe.codebook_decay", 1.0, "codebook_decay=1.0"),
        ("data.image_size", 9, "divisible by 2"),
    ],
)
def test_impossible_recipes_are_refused(vq_config, key, value, message):
    config = vq_config()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message):
        session.open_session(config)


def test_codes_need_their_recipe(vq_config):
    config = vq_config()
    config.recipe.name = "vae"
    with pytest.raises(UserError, match="is no VAE"):
        session.open_session(config)
