"""The VAE recipe: its loss is the ELBO, whatever the batch; it learns; it refuses what cannot be."""

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.recipes.vae_objective import objective_of
from jaxgen.runs import session
from jaxgen.settings import default
from jaxgen.training import compiled_steps


def train(config, steps, per_dispatch=50):
    config.steps, config.steps_per_dispatch = steps, min(steps, per_dispatch)
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=config.steps_per_dispatch
    )
    history = []
    for _ in range(steps // config.steps_per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    return opened, state, {name: np.concatenate([m[name] for m in history]) for name in history[0]}


def test_loss_is_reconstruction_plus_kl(tiny_config):
    config = tiny_config("vae")
    config.recipe.beta = 3.0
    _, _, m = train(config, 5)
    np.testing.assert_allclose(m["loss"], 3 * m["kl"] - m["log_likelihood"], rtol=1e-4)
    np.testing.assert_allclose(m["negative_elbo"], m["kl"] - m["log_likelihood"], rtol=1e-4)
    assert np.all(m["kl"] >= 0)


@pytest.mark.full
def test_a_doubled_batch_leaves_the_size_of_the_loss(tiny_config):
    losses = []
    for batch_size in (16, 128):
        config = tiny_config("vae")
        config.batch_size = batch_size
        losses.append(train(config, 1)[2]["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.parametrize(
    "likelihood",
    [
        "gaussian",
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("bernoulli", "discretised_logistic", "logistic_mixture")
        ),
    ],
)
def test_it_learns_and_reconstructs(tiny_config, likelihood):
    config = tiny_config("vae")
    config.recipe.likelihood = likelihood
    config.recipe.ema_decay = 0.9
    config.model.width = 16
    opened, state, m = train(config, 600)
    assert m["negative_elbo"][-50:].mean() < m["negative_elbo"][:5].mean() - 10
    images = opened.train.images[:64]
    shown = np.asarray(opened.views.reconstruct(state.players, images)).astype(float)
    error = np.mean((shown - images) ** 2)
    blind = np.mean((images.mean(0) - images.astype(float)) ** 2)  # the mean image: all that a dead latent can do
    assert error < 0.7 * blind
    if likelihood == "gaussian":
        assert 0.05 < m["sigma"][-1] < 0.7 * m["sigma"][0]


@pytest.mark.full
def test_fixed_sigma_is_not_learned(tiny_config):
    config = tiny_config("vae")
    config.recipe.sigma = 0.5
    _, state, m = train(config, 5)
    assert "sigma" not in m
    assert state.players["vae"].params["likelihood"] == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("recipe.sigma", -1.0, "sigma=-1.0"),
        ("recipe.likelihood", "gausian", "did you mean 'gaussian'"),
        ("recipe.mixtures", 0, "mixtures=0"),
        ("recipe.iwae_samples", 0, "iwae_samples=0"),
        ("recipe.beta_warmup", -1, "beta_warmup=-1"),
        ("recipe.free_bits", -0.5, "free_bits=-0.5"),
        ("model.name", "dcgan", "is no VAE"),
    ],
)
def test_impossible_recipes_are_refused(tiny_config, key, value, message):
    config = tiny_config("vae")
    config.recipe.likelihood = "logistic_mixture" if key == "recipe.mixtures" else "gaussian"
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message):
        session.open_session(config)


def test_unknown_binarisation_is_refused(tiny_config):
    config = tiny_config("vae")
    config.recipe.likelihood, config.recipe.binarize = "bernoulli", "dynamc"
    with pytest.raises(UserError, match="did you mean 'dynamic'"):
        session.open_session(config)


def test_a_model_that_cannot_give_the_channels_of_a_likelihood_is_refused(tiny_config):
    config = tiny_config("vae")
    config.recipe.likelihood, config.model.name = "logistic_mixture", "dcgan"
    with pytest.raises(UserError, match=r"needs 30 channels of the decoder, but .*takes no `output_channels`"):
        session.open_session(config)


@pytest.mark.parametrize(
    ("likelihood", "discrete", "pixels"),
    [
        ("gaussian", False, "256 gray levels, uniformly dequantised"),
        ("bernoulli", True, "binarised"),
        ("discretised_logistic", True, "256 gray levels"),
        ("logistic_mixture", True, "256 gray levels"),
    ],
)
def test_facts_say_what_the_bits_are_of(tiny_config, likelihood, discrete, pixels):
    config = tiny_config("vae")
    config.recipe.likelihood = likelihood
    facts = session.open_session(config).recipe.facts["log_likelihood"]
    assert (facts["discrete"], facts["pixels"]) == (discrete, pixels)
    assert (facts["scale_nats_per_dim"] == 0) == discrete


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iwae_bounds": 0}, "iwae_bounds=0"),
        ({"iwae_elbo_share": 1.5, "iwae_samples": 5}, r"iwae_elbo_share=1.5: it must be in \[0, 1\]"),
        ({"iwae_elbo_share": 0.5}, "iwae_samples to 2 or more"),
        ({"piwae": True}, "iwae_bounds to 2 or more"),
        ({"piwae": True, "iwae_bounds": 2, "beta": 2.0}, "piwae=True .*Leave config.recipe.beta at its default"),
        ({"regularizer": "dip_i", "iwae_samples": 5}, "regularizer='dip_i' needs one draw"),
        ({"regularizer": "dip_i", "iwae_bounds": 5}, "regularizer='dip_i' needs one draw"),
        ({"regularizer": "capacity", "beta": 4.0}, "regularizer='capacity' .*Leave config.recipe.beta"),
        ({"deterministic_encoder": True}, "no KL term"),
        ({"deterministic_encoder": True, "beta": 0.0, "iwae_bounds": 2}, "deterministic_encoder=True needs one draw"),
        ({"deterministic_encoder": True, "beta": 0.0, "regularizer": "capacity"}, "'capacity' contains the KL"),
    ],
)
def test_objectives_that_exclude_each_other_are_refused(changes, message):
    settings = default.get_config().recipe
    settings.update(changes)
    with pytest.raises(UserError, match=message):
        objective_of(settings, 100)


@pytest.mark.parametrize(("key", "value"), [("beta", 2.0), ("beta_warmup", 10), ("free_bits", 0.1)])
def test_an_importance_weighted_bound_has_no_kl_to_weigh(tiny_config, key, value):
    config = tiny_config("vae")
    config.recipe.iwae_samples, config.recipe[key] = 5, value
    with pytest.raises(UserError, match=f"iwae_samples=5 .*Leave config.recipe.{key} at its default"):
        session.open_session(config)
