"""MMD and the sliced Wasserstein distance against closed forms and against other computations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from jaxgen.errors import UserError
from jaxgen.losses.regularizers import Codes, mmd, sliced_wasserstein
from jaxgen.settings import default

KEY = jax.random.key(0)
SCALES = (0.1, 0.2, 0.5, 1, 2, 5, 10)
KERNELS = {
    "imq": lambda d2, size: sum(2 * size * scale / (2 * size * scale + d2) for scale in SCALES),
    "rbf": lambda d2, size: np.exp(-d2 / (2 * size)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_the_estimate_leaves_out_pairs_of_a_row_with_itself_and_no_others(name):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3))
    kernel = lambda a, b: KERNELS[name](np.sum((a - b) ** 2), 3)  # noqa: E731
    within = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    between = sum(kernel(x[i], y[j]) for i in range(5) for j in range(5)) / 25
    estimate = mmd.mean_discrepancy(jnp.asarray(x), jnp.asarray(y), mmd.KERNELS[name])
    assert float(estimate) == pytest.approx(within - 2 * between, rel=1e-4)


def test_the_estimate_is_unbiased_for_gaussians():
    """E exp(-|x - y|^2 / C) of Gaussians with squared deviations of sum v and means m apart is known."""
    dimensions, batch, repeats, c = 3, 16, 2_000, 6.0
    shift, deviation = jnp.array([0.6, 0.0, -0.3]), 0.7

    def mean_kernel(v, m):
        return (1 + 2 * v / c) ** (-dimensions / 2) * np.exp(-np.sum(np.square(m)) / (c + 2 * v))

    expected = mean_kernel(2 * deviation**2, 0) + mean_kernel(2, 0) - 2 * mean_kernel(1 + deviation**2, shift)
    noise = jax.random.normal(KEY, (2, repeats, batch, dimensions))
    estimate = jax.jit(jax.vmap(lambda x, y: mmd.mean_discrepancy(x, y, mmd.gaussian)))
    values = np.asarray(estimate(shift + deviation * noise[0], noise[1]), np.float64)
    error = values.std() / np.sqrt(repeats)
    assert values.mean() == pytest.approx(expected, abs=4 * error)
    assert expected > 20 * error
    same = np.asarray(
        estimate(noise[0], noise[1]), np.float64
    )  # with the diagonal it would be 2 (1 - E k) / B too large
    assert same.mean() == pytest.approx(0, abs=4 * same.std() / np.sqrt(repeats))


def penalty_of(module, **changes):
    settings = default.get_config().recipe
    settings.update(changes)
    return module.build(settings, 0)


def codes_at(offset):
    latents = jax.random.normal(jax.random.key(5), (256, 4)) + offset
    return Codes(latents, latents, jnp.zeros_like(latents), jnp.zeros_like(latents))


@pytest.mark.parametrize(
    ("module", "changes", "name"),
    [
        (mmd, {"mmd_kernel": "imq"}, "mmd"),
        (mmd, {"mmd_kernel": "rbf"}, "mmd"),
        (sliced_wasserstein, {}, "sliced_wasserstein"),
    ],
)
@pytest.mark.full
def test_latents_away_from_the_prior_cost_more_and_are_drawn_back(module, changes, name):
    penalty = penalty_of(module, regularizer_weight=3.0, **changes)
    near, far = (penalty(codes_at(offset), KEY, 0) for offset in (0.0, 1.0))
    assert float(far[0]) == pytest.approx(3 * float(far[1][name]), rel=1e-5)
    assert float(far[0]) > 5 * abs(float(near[0]))
    codes = codes_at(1.0)
    pull = jax.grad(lambda z: penalty(codes._replace(latents=z), KEY, 0)[0])(codes.latents)
    assert float(pull.mean(0).min()) > 0
    assert float(jnp.abs(penalty(codes_at(0.0), jax.random.key(1), 0)[0] - near[0])) > 0  # other draws of the prior


def test_along_each_direction_the_best_pairing_is_that_of_an_assignment():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 7, 3)) * [[[2.0]], [[1.0]]]
    directions = rng.normal(size=(4, 3))
    costs = []
    for direction in directions:
        cost = np.square((x @ direction)[:, None] - (y @ direction)[None])
        costs.append(cost[linear_sum_assignment(cost)].mean())
    found = sliced_wasserstein.sliced_distance(*(jnp.asarray(a, jnp.float32) for a in (x, y, directions)))
    assert float(found) == pytest.approx(np.mean(costs), rel=1e-5)


def test_a_shift_costs_its_squared_length_over_the_dimensions():
    codes = codes_at(0.0).latents
    directions = jax.random.normal(KEY, (5_000, 4))
    directions /= jnp.linalg.norm(directions, axis=1, keepdims=True)
    shift = jnp.array([2.0, 0.0, -1.0, 0.5])
    found = sliced_wasserstein.sliced_distance(codes + shift, codes, directions)
    assert float(found) == pytest.approx(float(shift @ shift) / 4, rel=0.05)


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (mmd, {"regularizer_weight": -0.999}, "regularizer_weight=-0.999"),
        (mmd, {"mmd_kernel": "rbg"}, "did you mean 'rbf'"),
        (sliced_wasserstein, {"projections": 0}, "projections=0"),
        (sliced_wasserstein, {"regularizer_weight": -1.0}, "regularizer_weight=-1"),
    ],
)
def test_impossible_settings_are_refused(module, changes, message):
    with pytest.raises(UserError, match=message):
        penalty_of(module, **changes)
