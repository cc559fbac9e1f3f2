"""Conversions to bytes and paths between latents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.metrics.sample_labels import of_samples
from jaxgen.ops.pixels import to_uint8
from jaxgen.recipes.base import Recipe
from jaxgen.views.views import Views, slerp


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


def shown(state, key, ids, labels=None):
    """Images whose gray level is the class."""
    return jnp.broadcast_to(state["scale"] * labels[:, None, None, None], (len(ids), 2, 2, 1)).astype(jnp.float32)


def ignored(state, key, ids, labels=None):
    del labels
    return jnp.broadcast_to(state["scale"] * ids[:, None, None, None], (len(ids), 2, 2, 1)).astype(jnp.float32)


def views_of(sample, classes=3, shares=()):
    recipe = Recipe(lambda key: {"scale": jnp.float32(0.25), "other": jnp.zeros(3)}, None, {"sample": sample})
    return Views(recipe, parallel.make_mesh(1), classes, shares), recipe.init(None)


def test_labels_of_samples_are_known_if_the_samples_depend_on_them():
    views, state = views_of(shown)
    labels = views.sample_labels(jax.eval_shape(lambda: state))
    assert labels == {"num_classes": 3, "class_shares": []}
    images = np.asarray(views.sample(state, jax.random.key(0), np.arange(7)))
    expected = of_samples({"sample": {"labels": labels}}, 7)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.asarray(to_uint8(0.25 * jnp.asarray(expected))))
    assert views_of(shown, 2, (0.25, 0.75))[0].sample_labels(state)["class_shares"] == [0.25, 0.75]


@pytest.mark.parametrize(("sample", "classes"), [(ignored, 3), (shown, 0), (lambda state, key, ids: ids, 3)])
def test_labels_of_samples_are_none_if_nothing_depends_on_them(sample, classes):
    views, state = views_of(sample, classes)
    assert views.sample_labels(state) is None
