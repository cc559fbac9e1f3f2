"""What a few hundred steps with a regulariser do to the latents of the digits."""

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.runs import session
from jaxgen.training import compiled_steps

STEPS = 400


@pytest.fixture
def train(tiny_config):
    """`train(regularizer="mmd", ...)` -> (means of the posteriors of 1,000 training images [N, 4], last metrics)."""

    def run(**changes):
        config = tiny_config("vae")
        config.model.update({"name": "mlp_vae", "width": 32, "latent_dim": 4, "batch_norm": True})
        config.data.limit = 1_000
        config.update({"batch_size": 64, "steps": STEPS, "steps_per_dispatch": STEPS})
        config.recipe.update({"sigma": 1.0, "ema_decay": 0.9, **changes})
        config.optimizers.vae.learning_rate = 3e-3
        opened = session.open_session(config)
        state = parallel.init_state(opened.recipe, opened.mesh, 0)
        data = session.training_data(opened)
        compiled = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=STEPS)
        state, metrics = compiled.run(state, data)
        mean, _ = opened.views.encode(state.players, opened.train.images)
        return np.asarray(mean), {name: np.mean(values[-50:]) for name, values in jax.device_get(metrics).items()}

    return run


@pytest.mark.full
def test_the_kl_comes_to_the_capacity(train):
    _, metrics = train(regularizer="capacity", regularizer_weight=30.0, capacity=3.0, capacity_steps=200)
    assert metrics["capacity"] == 3
    assert metrics["kl"] == pytest.approx(3, abs=0.3)


@pytest.mark.full
@pytest.mark.parametrize("regularizer", ["mmd", "sliced_wasserstein"])
def test_codes_of_a_deterministic_encoder_come_to_look_like_the_prior(train, regularizer):
    """The second moments of the codes are those of N(0, 1). Without the regulariser they are not."""

    def distance(**changes):
        codes, metrics = train(deterministic_encoder=True, beta=0.0, **changes)
        second = codes.T @ codes / len(codes)
        return np.abs(second - np.eye(4)).max(), metrics["log_likelihood"]

    drawn, log_likelihood = distance(regularizer=regularizer, regularizer_weight=50.0)
    free, _ = distance(regularizer=regularizer, regularizer_weight=0.0)
    assert drawn < 0.4
    assert free > 2 * drawn
    assert np.isfinite(log_likelihood)


@pytest.mark.full
def test_dip_i_takes_the_covariance_of_the_means_to_the_identity(train):
    covariances = [
        np.cov(train(regularizer="dip_i", regularizer_weight=weight)[0], rowvar=False) for weight in (0.0, 10.0)
    ]
    free, drawn = (np.abs(matrix - np.eye(4)).max() for matrix in covariances)
    assert drawn < 0.3 < free
