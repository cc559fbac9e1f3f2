"""The three parts of the KL: their weights in a batch, and their values on Gaussians, where all are known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxgen.errors import UserError
from jaxgen.losses.regularizers import Codes
from jaxgen.losses.regularizers.total_correlation import ESTIMATORS, build, decompose
from jaxgen.settings import default

KEY = jax.random.key(0)


def weights(name, batch, examples):
    return np.exp(np.asarray(ESTIMATORS[name](batch, examples), np.float64))


def test_an_image_weighs_one_over_n_for_its_own_latent():
    matrix = weights("stratified", 5, 100)
    np.testing.assert_allclose(np.diag(matrix), 1 / 100, rtol=1e-5)
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.sort(matrix, axis=1)[:, 2:], 1 / 4, rtol=1e-5)  # all but the own and one other
    np.testing.assert_allclose(weights("weighted", 5, 100), 1 / 500, rtol=1e-5)


def test_stratified_sampling_is_unbiased_for_the_aggregate_posterior():
    """The mean over all batches that hold the image of a latent is the mean over all images."""
    densities = np.array([0.7, 0.1, 2.0, 0.4])  # q(z | x_n) of one z, which is drawn for image 0
    matrix = weights("stratified", 3, len(densities))
    batches = [(0, *others) for others in itertools.permutations(range(1, 4), 2)]
    estimates = [matrix[0] @ densities[list(batch)] for batch in batches]
    assert np.mean(estimates) == pytest.approx(densities.mean(), rel=1e-5)
    assert np.std(estimates) > 0.1


def test_the_parts_equal_those_of_scipy():
    rng = np.random.default_rng(0)
    latents, mean, log_variance = rng.normal(size=(3, 6, 2))
    matrix = weights("stratified", 6, 50)
    log_q = stats.norm.logpdf(latents[:, None], mean[None], np.exp(0.5 * log_variance)[None])
    joint = special.logsumexp(log_q.sum(-1), b=matrix, axis=1)
    product = special.logsumexp(log_q, b=matrix[..., None], axis=1).sum(-1)
    own = np.array([log_q[i, i].sum() for i in range(6)])
    prior = stats.norm.logpdf(latents).sum(-1)
    parts = decompose(*(jnp.asarray(x, jnp.float32) for x in (latents, mean, log_variance)), jnp.log(matrix))
    expected = [np.mean(own - joint), np.mean(joint - product), np.mean(product - prior)]
    np.testing.assert_allclose(parts, expected, rtol=1e-4, atol=1e-5)
    assert sum(parts) == pytest.approx(np.mean(own - prior), rel=1e-4)  # a draw of the KL, whatever the weights


def gaussian_codes(count, examples=20_000):
    """Codes whose aggregate posterior is a Gaussian, with its mutual information and total correlation."""
    covariance = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    variance = 0.3
    rng = np.random.default_rng(1)
    mean = rng.multivariate_normal(np.zeros(3), covariance, examples)[:count]
    latents = mean + np.sqrt(variance) * rng.normal(size=mean.shape)
    aggregate = covariance + variance * np.eye(3)
    log_determinant = np.linalg.slogdet(aggregate)[1]
    information = 0.5 * log_determinant - 1.5 * np.log(variance)
    correlation = 0.5 * (np.log(np.diag(aggregate)).sum() - log_determinant)
    arrays = latents, mean, np.full_like(mean, np.log(variance))
    return [jnp.asarray(x, jnp.float32) for x in arrays], information, correlation


def test_a_large_batch_finds_the_values_of_a_gaussian():
    codes, information, correlation = gaussian_codes(1_000)
    parts = decompose(*codes, ESTIMATORS["stratified"](1_000, 20_000))
    assert correlation > 0.25
    assert float(parts.total_correlation) == pytest.approx(correlation, abs=0.06)
    assert float(parts.mutual_information) == pytest.approx(information, abs=0.08)


def test_weighted_sampling_is_off_by_the_logarithm_of_the_data_for_each_further_latent():
    codes, _, correlation = gaussian_codes(1_000)
    parts = decompose(*codes, ESTIMATORS["weighted"](1_000, 20_000))
    assert float(parts.total_correlation) == pytest.approx(correlation + 2 * np.log(20_000), abs=0.2)


def penalty_of(num_examples=100, **changes):
    settings = default.get_config().recipe
    settings.update(changes)
    return build(settings, num_examples)


def test_the_penalty_weighs_the_parts():
    codes = Codes(*jax.random.normal(KEY, (4, 8, 2)))
    _, parts = penalty_of()(codes, KEY, 0)
    nats, _ = penalty_of(tc_weights=(2.0, 5.0, 0.5))(codes, KEY, 0)
    values = [float(parts[name]) for name in ("mutual_information", "total_correlation", "dimension_kl")]
    assert float(nats) == pytest.approx(2 * values[0] + 5 * values[1] + 0.5 * values[2], rel=1e-5)
    # A batch of all images needs no other, and its size matters.
    other = penalty_of(num_examples=8)(codes, KEY, 0)[1]
    assert float(other["mutual_information"]) != pytest.approx(values[0], rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tc_weights": (1.0, 6.0)}, "three numbers"),
        ({"tc_weights": (1.0, -6.0, 1.0)}, "three numbers"),
        ({"tc_estimator": "stratifid"}, "did you mean 'stratified'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        penalty_of(**changes)


@pytest.mark.parametrize(
    ("count", "examples", "message"), [(8, 7, "but it is 7"), (8, 0, "but it is 0"), (1, 9, "two")]
)
def test_a_batch_without_enough_images_is_refused(count, examples, message):
    with pytest.raises(UserError, match=message):
        penalty_of(num_examples=examples)(Codes(*jnp.zeros((4, count, 2))), KEY, 0)
