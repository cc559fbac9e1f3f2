import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops.random import example_normal
from jaxgen.views.projection import ProjectionBudget, project

BUDGET = ProjectionBudget(steps=150, restarts=2, learning_rate=0.1)


def _latents(key, ids):
    return example_normal(key, ids, (3,))


def _linear(weights):
    return lambda z: (z @ weights).reshape(z.shape[0], 2, 3, 1)


@pytest.fixture
def problem():
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6)), jnp.float32)
    true = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)
    return weights, true, _linear(weights)(true)


def test_latents_of_images_that_the_model_makes_are_found(problem):
    weights, true, targets = problem
    found = project(_linear(weights), _latents, targets, jax.random.key(0), jnp.arange(4), BUDGET)
    np.testing.assert_allclose(found.latents, true, atol=0.02)
    np.testing.assert_allclose(found.images, targets, atol=0.02)
    np.testing.assert_allclose(found.error, jnp.square(found.images - targets).mean((1, 2, 3)), atol=1e-6)


def test_images_that_it_cannot_make_come_as_close_as_least_squares(problem):
    weights, _, _ = problem
    targets = jnp.asarray(np.random.default_rng(2).normal(size=(4, 2, 3, 1)), jnp.float32)
    solution, *_ = np.linalg.lstsq(np.asarray(weights).T, np.asarray(targets).reshape(4, 6).T, rcond=None)
    best = np.square(solution.T @ np.asarray(weights) - np.asarray(targets).reshape(4, 6)).mean(1)
    found = project(_linear(weights), _latents, targets, jax.random.key(0), jnp.arange(4), BUDGET)
    np.testing.assert_allclose(found.error, best, rtol=1e-2)


def test_more_restarts_never_do_worse_and_help_where_there_are_local_minima():
    def decode(z):  # minima of very different depth along z
        return (jnp.cos(5 * z) + 0.1 * z).sum(-1).reshape(-1, 1, 1, 1)

    targets = jnp.full((16, 1, 1, 1), -2.9)
    key, ids = jax.random.key(3), jnp.arange(16)
    one = project(decode, _latents, targets, key, ids, ProjectionBudget(20, 1, 0.05)).error
    many = project(decode, _latents, targets, key, ids, ProjectionBudget(20, 8, 0.05)).error
    assert (many <= one + 1e-9).all()
    assert many.mean() < one.mean()


def test_an_image_s_search_does_not_depend_on_its_batch(problem):
    weights, _, targets = problem
    together = project(_linear(weights), _latents, targets, jax.random.key(0), jnp.arange(4), BUDGET)
    alone = project(_linear(weights), _latents, targets[2:3], jax.random.key(0), jnp.arange(2, 3), BUDGET)
    np.testing.assert_allclose(alone.latents[0], together.latents[2], rtol=1e-4, atol=1e-5)
