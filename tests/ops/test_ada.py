"""ADA's augmentations: what does nothing does nothing, exact cases, probabilities, examples by number, derivatives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxgen.ops import ada, ada_geometry
from jaxgen.ops.random import Draw

KEY = jax.random.key(0)
ALL = ada.CHOICES["bgcfnc"]
# One program each: run operation by operation, each would be compiled by itself.
augment = jax.jit(ada.augment, static_argnums=4)
transform = jax.jit(ada_geometry.transform)


def drawn(function):
    """`(key, ids, p, *arrays)` of a function of a Draw."""
    return jax.jit(lambda key, ids, p, *arrays: function(Draw(key, ids, p), *arrays))


filter_bands = drawn(lambda draw, x: ada.filter_bands(x, draw))


def smooth_images(count=1, side=24, channels=3):
    """Images of a few low frequencies, in about [-1, 1]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    waves = [
        np.cos(2 * np.pi * (a * x[..., None] + b * y[..., None]) + rng.uniform(0, 6, (count, 1, 1, channels)))
        for a, b in rng.uniform(-1, 1, (3, 2))
    ]
    return jnp.asarray(sum(waves) / 3, jnp.float32)


def one(value):
    return jnp.array([value], jnp.float32)


def test_the_identity_gives_the_image_back():
    x = jax.random.normal(KEY, (2, 9, 13, 3))  # even for noise: up and down are each other's transposes
    identity = jnp.broadcast_to(jnp.eye(3), (2, 3, 3))
    np.testing.assert_allclose(transform(x, identity), x, atol=1e-5)


def test_whole_pixel_shifts_mirror_what_comes_in():
    x = jax.random.normal(KEY, (1, 8, 10, 1))
    y = transform(x, ada_geometry.translation(one(-3), one(2)))
    wide = np.pad(np.asarray(x), ((0, 0), (0, 2), (3, 0), (0, 0)), mode="reflect")
    np.testing.assert_allclose(y, wide[:, 2:, :10], atol=1e-5)


@pytest.mark.parametrize(("quarters", "turns"), [(1, 1), (2, 2), (3, 3)])
def test_quarter_turns(quarters, turns):
    x = smooth_images()
    y = transform(x, ada_geometry.rotation(one(math.pi / 2 * quarters)))
    inner = (slice(None), slice(4, -4), slice(4, -4))
    # The wavelet is not quite symmetric, so turned images are a tenth of a pixel off.
    np.testing.assert_allclose(y[inner], jnp.rot90(x, turns, (1, 2))[inner], atol=0.05)


def test_scaling_by_two_about_the_centre():
    x = smooth_images(side=32)
    y = transform(x, ada_geometry.scaling(one(0.5), one(0.5)))
    # The middle half, enlarged; compared where pixels meet: mean of 2x2 of the large is a pixel of the small.
    pooled = np.asarray(y).reshape(1, 16, 2, 16, 2, 3).mean((2, 4))
    np.testing.assert_allclose(pooled, x[:, 8:24, 8:24], atol=0.06)


@pytest.mark.full
def test_strength_0_changes_nothing_and_1_changes_every_image():
    x = smooth_images(6)
    none = augment(x, KEY, jnp.arange(6), jnp.float32(0), ALL)
    np.testing.assert_allclose(none, x, atol=1e-5)
    every = augment(x, KEY, jnp.arange(6), jnp.float32(1), ALL)
    assert np.abs(every - x).max((1, 2, 3)).min() > 0.1


@pytest.mark.full
def test_random_numbers_belong_to_the_example():
    x = smooth_images(4)
    whole = augment(x, KEY, jnp.arange(4), jnp.float32(0.7), ALL)
    part = augment(x[2:3], KEY, jnp.array([2]), jnp.float32(0.7), ALL)
    np.testing.assert_allclose(part[0], whole[2], atol=1e-5)
    other = augment(x, jax.random.key(1), jnp.arange(4), jnp.float32(0.7), ALL)
    assert not np.allclose(other, whole, atol=1e-2)


@pytest.mark.parametrize("strength", [0.2, 0.8])
def test_each_augmentation_has_its_probability(strength):
    draw = Draw(KEY, jnp.arange(4000), jnp.float32(strength))
    error = 4 * math.sqrt(strength * (1 - strength) / 4000)
    kept = draw.kept(jnp.ones((4000, 2)), 0.0)
    assert set(np.unique(kept)) == {0.0, 1.0}
    assert np.array_equal(kept[:, 0], kept[:, 1])
    assert abs(float(kept.mean()) - strength) < error
    # Rotated by any of the two rotations with probability p, and only then; other parts keep the axes.
    matrices = drawn(lambda draw: ada_geometry.general(draw, 16, 16))(KEY, jnp.arange(4000), jnp.float32(strength))
    matrices = np.asarray(matrices)
    rotated = np.abs(np.asarray(matrices[:, 0, 1])) > 1e-6
    assert abs(rotated.mean() - strength) < error
    scale = np.sqrt(np.linalg.det(np.asarray(matrices)[:, :2, :2]))
    changed = np.abs(np.log2(scale)) > 1e-4
    assert abs(changed.mean() - strength) < error
    assert abs(np.log2(scale[changed]).std() - 0.2) < 0.02


def test_blitting_moves_whole_pixels_only():
    matrices = np.asarray(drawn(lambda draw: ada_geometry.blitting(draw, 32, 32))(KEY, jnp.arange(500), 1.0))
    np.testing.assert_allclose(matrices, matrices.round(), atol=1e-5)
    np.testing.assert_allclose(np.abs(np.linalg.det(matrices[:, :2, :2])), 1, atol=1e-5)
    assert np.abs(matrices[:, :2, 2]).max() == pytest.approx(4, abs=1e-4)  # an eighth of 32
    assert len({tuple(m.ravel()) for m in matrices[:, :2, :2].round().astype(int)}) == 8


def test_colors_by_hand():
    """Gray stays gray but for brightness, contrast and the flip of luma; each part of the map, one after the other."""
    matrices = np.asarray(drawn(lambda draw: ada.color_matrix(draw, 3))(KEY, jnp.arange(300), 1.0))
    again = Draw(KEY, jnp.arange(300), jnp.float32(1))
    luma = np.full((3, 1), 3**-0.5)
    kept = [np.asarray(again.kept(f(), d)) for f, d in ((lambda: 0.2 * again.normal(), 0.0),)]
    contrast = np.asarray(again.kept(jnp.exp2(0.5 * again.normal()), 1.0))
    flip = np.asarray(again.kept(jnp.floor(2 * again.uniform()), 0.0))
    angle = np.asarray(again.kept(math.pi * (2 * again.uniform() - 1), 0.0))
    saturation = np.asarray(again.kept(jnp.exp2(again.normal()), 1.0))
    colors = np.random.default_rng(1).uniform(-1, 1, (300, 3))
    for i in range(300):
        c = (colors[i] + kept[0][i]) * contrast[i]
        c = c - 2 * flip[i] * luma[:, 0] * (luma[:, 0] @ c)
        gray, chroma = luma[:, 0] * (luma[:, 0] @ c), c - luma[:, 0] * (luma[:, 0] @ c)
        turned = chroma * np.cos(angle[i]) + np.cross(luma[:, 0], chroma) * np.sin(angle[i])
        expected = gray + saturation[i] * turned
        found = matrices[i] @ np.append(colors[i], 1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert 0.3 < flip.mean() < 0.7


def test_gray_images_stay_gray_images():
    x = smooth_images(5, channels=1)
    matrices = drawn(lambda draw: ada.color_matrix(draw, 1))(KEY, jnp.arange(5), 1.0)
    y = ada.transform_colors(x, matrices)
    as_rgb = ada.transform_colors(jnp.repeat(x, 3, -1), matrices)
    np.testing.assert_allclose(jnp.repeat(y, 3, -1), as_rgb, rtol=1e-4, atol=1e-5)


def test_bands_split_the_spectrum():
    np.testing.assert_allclose(ada.BANK.sum(0), np.eye(1, 43, 21)[0], atol=1e-9)
    response = np.abs(np.fft.rfft(ada.BANK, 512, axis=1))
    centres = [0, 3 * np.pi / 16, 3 * np.pi / 8, np.pi]
    for band, centre in enumerate(centres):
        at = response[:, round(centre / np.pi * 256)]
        assert at.argmax() == band, (centre, at)


def test_filtering_keeps_expected_power():
    gains = []
    for i in range(20):
        filtered = filter_bands(jax.random.key(i), jnp.arange(64), 1.0, np.ones((64, 8, 8, 1), np.float32))
        gains.append(np.asarray(filtered)[:, 4, 4, 0])
    assert np.all(np.concatenate(gains) > 0)  # a constant meets the lowest band alone, which holds most power
    assert abs(np.mean(np.square(gains)) ** 0.5 - 1) < 0.2


def test_noise_and_cutout():
    x = jnp.full((400, 16, 16, 1), 5.0)
    noisy = np.asarray(drawn(lambda draw, x: ada.add_noise(x, draw))(KEY, jnp.arange(400), 1.0, x)) - 5
    sigma = noisy.std((1, 2, 3))
    assert abs(np.sqrt(np.mean(sigma**2)) - 0.1) < 0.01
    cut = np.asarray(drawn(lambda draw, x: ada.cut_out(x, draw))(KEY, jnp.arange(400), 1.0, x)) == 0
    assert cut.sum((1, 2, 3)).max() == 64  # half of either side
    assert cut.sum((1, 2, 3)).min() >= 16  # a corner shows a quarter of it


@pytest.mark.parametrize(
    "groups", [pytest.param("bg", marks=pytest.mark.full), "c", pytest.param("bgcfnc", marks=pytest.mark.slow)]
)
def test_derivatives_against_differences(groups):
    x = jax.random.normal(KEY, (1, 5, 5, 3))

    def function(x):
        return jnp.sin(ada.augment(x, KEY, jnp.arange(1), jnp.float32(1), ada.CHOICES[groups]))

    check_grads(jax.jit(function), (x,), order=2, modes=["rev"], atol=0.05, rtol=0.05)
