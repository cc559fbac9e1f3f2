"""Codes among latents: what is drawn, and the information that a network has about them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare, kstest, norm

from jaxgen.errors import UserError
from jaxgen.recipes.latent_codes import LatentCodes, codes_of
from jaxgen.settings import default

CODES = LatentCodes(noise=3, categories=(5, 2), continuous=2)


def test_draws_are_noise_one_hot_codes_and_uniform_codes_by_their_ids():
    drawn = np.asarray(jax.jit(CODES.draw)(jax.random.key(0), jnp.arange(4000)))
    assert drawn.shape == (4000, 3 + 5 + 2 + 2)
    for start, end in ((3, 8), (8, 10)):
        code = drawn[:, start:end]
        np.testing.assert_array_equal(np.sort(code)[:, -2:], [[0, 1]] * 4000)
        assert chisquare(code.sum(0)).pvalue > 1e-3
    assert kstest(drawn[:, 0], "norm").pvalue > 1e-3
    assert kstest(drawn[:, -1], "uniform", (-1, 2)).pvalue > 1e-3
    # No part repeats another.
    correlation = np.corrcoef(np.delete(drawn, [3, 8], axis=1).T)
    within = np.zeros_like(correlation, bool)
    within[3:7, 3:7] = True
    assert np.abs(correlation[~within & ~np.eye(len(within), dtype=bool)]).max() < 0.07
    np.testing.assert_array_equal(CODES.draw(jax.random.key(0), jnp.array([7, 2])), drawn[[7, 2]])
    assert CODES.layout == (("normal", 3), ("one_hot", 5), ("one_hot", 2), ("uniform", 2))
    assert CODES.outputs == 9


def test_the_bound_is_the_mutual_information_of_a_known_channel():
    """x is the code with probability 0.8, else any of five. Q is the true posterior, or a wrong one."""
    rng, count = np.random.default_rng(0), 200_000
    codes = LatentCodes(0, (5,), 0)
    code = rng.integers(0, 5, count)
    seen = np.where(rng.random(count) < 0.8, code, rng.integers(0, 5, count))
    posterior = 0.8 * np.eye(5) + 0.2 / 5
    information = np.log(5) + np.sum(posterior[0] * np.log(posterior[0]))  # H(c) - H(c | x), as x is uniform
    latents = np.eye(5, dtype=np.float32)[code]
    bound = np.log(5) - jnp.mean(codes.nats_of(jnp.log(jnp.asarray(posterior))[seen], latents))
    assert float(bound) == pytest.approx(information, abs=0.01)
    wrong = np.log(5) - jnp.mean(codes.nats_of(2 * jnp.log(jnp.asarray(posterior))[seen], latents))
    assert float(wrong) < information - 0.05


def test_every_code_has_outputs_of_its_own():
    latents = np.asarray(CODES.draw(jax.random.key(1), jnp.arange(6)))
    perfect = np.concatenate([50 * latents[:, 3:10], latents[:, 10:]], axis=1)
    np.testing.assert_allclose(CODES.nats_of(perfect, latents), 0, atol=1e-5)
    np.testing.assert_allclose(CODES.squares_of(perfect, latents), 0, atol=1e-6)
    uniform = np.zeros((6, 9), np.float32)
    np.testing.assert_allclose(CODES.nats_of(uniform, latents), np.log(5) + np.log(2), rtol=1e-5)
    told = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    expected = -norm.logpdf(latents[:, -2:], told[:, -2:]).sum(1) - np.log(2 * np.pi)
    np.testing.assert_allclose(CODES.squares_of(told, latents), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"categorical_codes": (10, 1)}, "two values or more"),
        ({"continuous_codes": -1}, "0 or more"),
        ({"categorical_codes": (), "continuous_codes": 0}, "leave no code"),
    ],
)
def test_impossible_codes_are_refused(changes, words):
    settings = default.get_config().recipe
    settings.update(changes)
    with pytest.raises(UserError, match=words):
        codes_of(settings)
