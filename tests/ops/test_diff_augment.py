"""Differentiable augmentation: what each policy does to a picture, by numpy; gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops.diff_augment import CHOICES, augment

KEY = jax.random.key(0)
N = 200
IDS = jnp.arange(N)
IMAGES = jax.random.uniform(jax.random.key(1), (N, 16, 16, 3), minval=0.1, maxval=1.0)


def test_translation_is_a_shift_of_up_to_an_eighth_with_zeros():
    moved = np.asarray(augment(IMAGES, KEY, IDS, ("translation",)))
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    seen = set()
    for image, around in zip(moved, padded, strict=True):
        fits = [(i, j) for i in range(5) for j in range(5) if np.array_equal(image, around[i : i + 16, j : j + 16])]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) == 25  # every shift of -2..2 both ways


def test_cutout_blackens_a_square_of_half_the_side_and_nothing_else():
    cut = np.asarray(augment(IMAGES, KEY, IDS, ("cutout",)))
    gone = (cut == 0).all(-1)
    np.testing.assert_array_equal(cut[~gone], np.asarray(IMAGES)[~gone])
    rows, columns = gone.any(2).sum(1), gone.any(1).sum(1)
    np.testing.assert_array_equal(gone.sum((1, 2)), rows * columns)  # a rectangle
    assert (rows.max(), columns.max()) == (8, 8)
    assert min(rows.min(), columns.min()) >= 4  # its centre is inside
    assert gone.mean(0).min() > 0  # anywhere


def test_color_keeps_structure_and_covers_its_ranges():
    x = np.asarray(IMAGES, np.float64)
    y = np.asarray(augment(IMAGES, KEY, IDS, ("color",)), np.float64)
    brightness = y.mean((1, 2, 3)) - x.mean((1, 2, 3))  # saturation and contrast keep the mean
    assert -0.5 <= brightness.min() < -0.45 < 0.45 < brightness.max() <= 0.5
    gray_x, gray_y = (a.mean(-1, keepdims=True) for a in (x, y))
    contrast = gray_y.std((1, 2, 3)) / gray_x.std((1, 2, 3))
    assert 0.5 <= contrast.min() < 0.55 < 1.45 < contrast.max() <= 1.5
    saturation = (y - gray_y).std((1, 2, 3)) / (x - gray_x).std((1, 2, 3)) / contrast
    assert 0 <= saturation.min() < 0.1 < 1.9 < saturation.max() <= 2
    # Each picture is an affine function of its gray part and its colours.
    expected = gray_y + (x - gray_x) * (saturation * contrast)[:, None, None, None]
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("policies", [("color",), ("translation",), ("cutout",), tuple(CHOICES)])
def test_gradients_equal_finite_differences_and_rows_belong_to_their_ids(policies):
    x, direction = IMAGES[:4], jax.random.normal(KEY, (4, 16, 16, 3))
    weight = jax.random.normal(jax.random.key(2), x.shape)

    def along(t):
        return jnp.sum(weight * augment(x + t * direction, KEY, IDS[:4], policies))

    numerical = (along(0.5) - along(-0.5)) / 1.0  # every policy is affine in the image
    assert float(jax.grad(along)(0.0)) == pytest.approx(float(numerical), rel=1e-3)
    some = augment(x[jnp.array([3, 1])], KEY, jnp.array([3, 1]), policies)
    np.testing.assert_allclose(some, augment(x, KEY, IDS[:4], policies)[jnp.array([3, 1])], atol=1e-6)
