import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import modes as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.modes import mode_coverage

ANGLES = 2 * np.pi * np.arange(8) / 8
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
GRID = np.array(list(itertools.product(range(-4, 5, 2), repeat=2)), float)


def _mixture(centres, std, n=20_000, seed=0):
    r = np.random.default_rng(seed)
    return centres[r.integers(len(centres), size=n)] + std * r.normal(size=(n, centres.shape[1]))


@pytest.mark.parametrize(("centres", "std"), [(RING, 0.02), (GRID, 0.05)])
def test_the_mixture_itself_is_covered_and_of_the_expected_quality(centres, std):
    found = mode_coverage(_mixture(centres, std), centres, std)
    assert found["covered"] == len(centres)
    # In two dimensions the share within r standard deviations is 1 - exp(-r^2 / 2).
    assert found["high_quality_expected"] == pytest.approx(1 - np.exp(-4.5), abs=1e-12)
    assert found["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.003)
    assert found["kl_to_uniform"] < 2 * len(centres) / (2 * 20_000)  # (M - 1) / (2 N) is expected by chance


def test_counts_quality_and_kl_by_hand():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = np.array([[2.9, 0], [0, -3.1], [10, 1], [10, 2], [10, 2.5], [4.9, 5.1], [np.nan, 0], [2.9, 2.9]])
    found = mode_coverage(points, centres, 1.0)
    np.testing.assert_array_equal(found["counts"], [1, 3, 0, 0])
    assert found["covered"] == 2
    assert found["high_quality"] == 4 / 8
    assert found["kl_to_uniform"] == pytest.approx(0.25 * np.log(0.25 * 4) + 0.75 * np.log(0.75 * 4))


def test_each_mode_may_have_its_own_width():
    centres, points = np.array([[0.0], [10.0]]), np.array([[2.0], [12.0]])
    np.testing.assert_array_equal(mode_coverage(points, centres, np.array([0.5, 1.0]))["counts"], [0, 1])


def test_collapse_is_seen():
    found = mode_coverage(_mixture(RING[:3], 0.02), RING, 0.02)
    assert found["covered"] == 3
    assert found["kl_to_uniform"] == pytest.approx(np.log(8 / 3), abs=0.01)
    assert found["high_quality"] > 0.98


def test_nothing_near_a_mode():
    found = mode_coverage(np.full((5, 2), 100.0), RING, 0.02)
    assert (found["covered"], found["high_quality"], found["kl_to_uniform"]) == (0, 0.0, np.inf)


@pytest.mark.parametrize("batch_size", [1000, 3000])
def test_accumulator(batch_size):
    points = _mixture(RING[:5], 0.02, 2500).astype(np.float32)
    context = Context(0, 2500, 0, image_shape=(2,), info={"points": {"centres": RING, "std": 0.02}})
    accumulator = module.start(context)
    for i in range(0, 2500, batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), 2499)
        accumulator.update(OutputBatch(jnp.asarray(points[ids]), min(batch_size, 2500 - i), None, None))
    result = accumulator.result()
    expected = mode_coverage(points, RING, 0.02)
    assert (result["value"], result["modes"]) == (5, 8)
    assert result["high_quality"] == expected["high_quality"]
    assert result["kl_to_uniform"] == expected["kl_to_uniform"]
    assert result["samples_of_each_mode"] == expected["counts"].tolist()
    share = expected["high_quality"]
    assert result["high_quality_standard_error"] == pytest.approx(np.sqrt(share * (1 - share) / 2500))
