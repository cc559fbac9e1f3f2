"""Conversions to bytes and paths between latents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops.pixels import to_uint8
from jaxgen.views.views import slerp


def test_to_uint8_is_the_convention_of_fid_tools():
    x = jnp.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    assert to_uint8(x).tolist() == [0, 0, 64, 128, 191, 255, 255]


def test_bytes_survive_the_round_trip():
    values = np.arange(256)
    there = jnp.asarray(values, jnp.float32) / 127.5 - 1
    back = np.asarray(to_uint8(there)).astype(int)
    assert np.abs(back - values).max() <= 1
    assert back[0] == 0
    assert back[255] == 255


def test_slerp_keeps_to_the_circle_and_meets_its_ends():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 3, 100))
    path = slerp(start, end, np.linspace(0, 1, 5))
    assert path.shape == (3, 5, 100)
    np.testing.assert_allclose(path[:, 0], start, atol=1e-12)
    np.testing.assert_allclose(path[:, -1], end, atol=1e-12)
    # Orthogonal unit vectors: the half-way point is on the unit circle at 45 degrees.
    half = slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([0.5]))[0, 0]
    np.testing.assert_allclose(half, [np.sqrt(0.5), np.sqrt(0.5)])


def test_slerp_between_parallel_latents_is_a_straight_line():
    point = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(slerp(point, point, np.array([0.3]))[0, 0], point[0])
    assert slerp(point, 2 * point, np.array([0.5]))[0, 0, 0] == pytest.approx(1.5)


def test_slerp_in_jax_with_a_fraction_for_each_row_is_the_same():
    start, end = np.random.default_rng(0).normal(size=(2, 3, 100))
    fractions = np.array([[0.1, 0.2], [0.5, 0.6], [0.9, 1.0]])
    path = jax.jit(slerp)(jnp.asarray(start), jnp.asarray(end), jnp.asarray(fractions))
    expected = np.stack([slerp(start[i : i + 1], end[i : i + 1], fractions[i])[0] for i in range(3)])
    np.testing.assert_allclose(path, expected, atol=1e-5)
