"""StyleGAN2's projector: its schedules and noise regularisation, and that it finds what the network made."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

from jaxgen.metrics.psnr import psnr
from jaxgen.ops.random import example_normal
from jaxgen.views import style_projection
from jaxgen.views.style_projection import Fit, Projector, StyleBudget, initial_noise, noise_regularization
from tests.helpers import stylegan2_runs

BUDGET = StyleBudget(steps=1000, learning_rate=0.1, w_noise=0.05, noise_weight=1e5)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.0), (25, 0.05), (50, 0.1), (400, 0.1), (750, 0.1), (875, 0.05), (1000, 0.0)]
)
def test_the_rate_rises_over_5_and_falls_over_the_last_25_percent(step, expected):
    assert float(style_projection.learning_rate(step, BUDGET)) == pytest.approx(expected, abs=1e-7)


def test_the_fall_is_a_cosine():
    share = (875 + 62.5 - 750) / 250
    expected = 0.1 * (1 + np.cos(np.pi * share)) / 2
    assert float(style_projection.learning_rate(937.5, BUDGET)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.05), (375, 0.05 / 4), (600, 0.05 / 25), (750, 0), (900, 0)])
def test_noise_on_w_falls_quadratically_over_75_percent(step, expected):
    assert float(style_projection.w_noise_scale(step, BUDGET)) == pytest.approx(expected, abs=1e-8)


def _by_hand(maps):
    total = 0.0
    for one in maps:
        one = np.asarray(one, np.float64)
        while True:
            side = len(one)
            x = np.mean([[one[i, j] * one[i - 1, j] for j in range(side)] for i in range(side)])
            y = np.mean([[one[i, j] * one[i, j - 1] for j in range(side)] for i in range(side)])
            total += x**2 + y**2
            if side <= 8:
                break
            blocks = [[one[i : i + 2, j : j + 2].sum() / 2 for j in range(0, side, 2)] for i in range(0, side, 2)]
            one = np.array(blocks)
    return total


@pytest.mark.full
def test_noise_regularisation_in_closed_form():
    # Constant c: both products are c^2; each coarser scale has 2c. 32 -> 16 -> 8; a map of 4 has no coarser scale.
    maps = {"a": jnp.full((2, 32, 32), 0.5), "b": jnp.full((2, 4, 4), 3.0)}
    np.testing.assert_allclose(noise_regularization(maps), 2 * (0.5**4 + 1.0**4 + 2.0**4 + 3.0**4), rtol=1e-6)
    board = jnp.asarray((-1.0) ** np.add.outer(np.arange(16), np.arange(16)))[None]
    np.testing.assert_allclose(noise_regularization(board), [2.0], rtol=1e-6)  # its blocks' means are 0
    random = np.random.default_rng(0).normal(size=(2, 2, 16, 16))
    expected = [_by_hand([random[0, i], random[1, i, :8, :8]]) for i in (0, 1)]
    maps = {"a": jnp.asarray(random[0]), "b": jnp.asarray(random[1, :, :8, :8])}
    np.testing.assert_allclose(noise_regularization(maps), expected, rtol=1e-4)
    white = jax.random.normal(jax.random.key(0), (1, 64, 64))
    assert float(noise_regularization(white)[0]) < 0.1 < float(noise_regularization(jnp.cumsum(white, 1) / 8)[0])


def test_normalised_maps_have_mean_0_and_variance_1():
    maps = style_projection.normalised({"a": 3 + 2 * jax.random.normal(jax.random.key(0), (3, 8, 8))})["a"]
    np.testing.assert_allclose(maps.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(maps.var((1, 2)), 1, rtol=1e-5)


def test_statistics_of_w():
    matrix = np.random.default_rng(0).normal(size=(3, 5))
    shapes = []

    def mapping(latents):
        shapes.append(latents.shape)
        return latents @ matrix + 1

    mean, deviation = style_projection.w_statistics(mapping, 3, 2500)
    w = np.random.RandomState(123).randn(2500, 3) @ matrix + 1
    np.testing.assert_allclose(mean, w.mean(0), rtol=1e-5)
    assert deviation == pytest.approx(np.sqrt(((w - w.mean(0)) ** 2).sum(1).mean()), rel=1e-5)
    assert deviation == pytest.approx(np.linalg.norm(matrix), rel=0.05)
    assert set(shapes) == {(1000, 3)}


def _mesh(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("data",), axis_types=(AxisType.Auto,))


def _pixels(params, images):
    return [images / np.sqrt(np.prod(images.shape[1:]))]


# A network whose images are linear in its styles, each layer's with a weight of its own, and in a noise map.
WEIGHTS = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32) * 0.2
LAYERS = np.array([1.5, -1.0, 0.5], np.float32)


def _linear(weights, ws, noise):
    return (LAYERS @ ws @ weights + 0.1 * noise["a"].reshape(-1, 16)).reshape(-1, 4, 4, 1)


def _targets():
    rng = np.random.default_rng(1)
    true, noise = rng.normal(size=(4, 5)), rng.normal(size=(4, 4, 4))
    images = _linear(WEIGHTS, np.repeat(true[:, None], 3, axis=1), {"a": noise})
    return np.clip(images * 127.5 + 128, 0, 255).astype(np.uint8)


@functools.cache
def _search(ids, devices=1, separate=False, **budget):
    budget = BUDGET._replace(steps=40, noise_weight=1.0, **budget)
    projector = Projector(_linear, _pixels, 3, separate, budget, _mesh(devices))
    key, ids = jax.random.key(0), np.asarray(ids)
    start = Fit(np.zeros((len(ids), 1, 5)), initial_noise({"a": jnp.zeros((4, 4))}, key, ids))
    return projector.project(WEIGHTS, None, _targets()[ids], start, np.full(len(ids), 2.0), key, ids, {0, 20})


@pytest.mark.parametrize(("ids", "devices"), [((2,), 1), ((0, 1, 2, 3), 4)])
def test_a_search_depends_on_the_image_s_id_only(ids, devices):
    together, other = _search((0, 1, 2, 3)), _search(ids, devices)
    for a, b in zip(jax.tree.leaves(together.fit), jax.tree.leaves(other.fit), strict=True):
        np.testing.assert_allclose(np.asarray(a)[np.asarray(ids)], b, atol=2e-4)


def test_the_last_images_and_those_on_the_way_are_kept():
    found, targets = _search((0, 1, 2, 3)), _targets()
    assert list(found.progress) == [0, 20, 40]
    np.testing.assert_array_equal(found.progress[40], found.images)
    errors = [np.abs(shown.astype(float) - targets).mean() for shown in found.progress.values()]
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]
    difference = np.asarray(found.images, float) - targets
    np.testing.assert_allclose(found.distance, ((difference / 127.5) ** 2).mean((1, 2, 3)), atol=2e-3)


def test_w_plus_has_a_w_for_each_layer():
    assert _search((0, 1, 2, 3)).fit.ws.shape == (4, 1, 5)
    ws = np.asarray(_search((0, 1, 2, 3), separate=True).fit.ws)
    assert ws.shape == (4, 3, 5)
    assert (np.sign(ws[:, 0]) == -np.sign(ws[:, 1])).mean() > 0.8  # layers of opposite weight part


def test_every_step_is_the_published_one():
    """Steps by hand in float64 on the linear network, whose gradients are known: noise on w, loss, Adam, maps."""
    budget = BUDGET._replace(steps=8, w_noise=0.5, noise_weight=0.3)
    key, ids, deviation = jax.random.key(5), np.arange(2), np.array([2.0, 0.7])
    noise = initial_noise({"a": jnp.zeros((4, 4))}, key, ids)
    targets, weights = _targets()[:2], WEIGHTS.astype(np.float64)
    start = Fit(np.ones((2, 1, 5)), noise)
    projector = Projector(_linear, _pixels, 3, True, budget, _mesh(1))
    found = projector.project(WEIGHTS, None, targets, start, deviation, key, ids, ())

    ws, maps = np.ones((2, 3, 5)), np.asarray(noise["a"], np.float64)
    goal = (targets / 127.5 - 1).reshape(2, 16)
    moments = [np.zeros((2, *part.shape)) for part in (ws, maps)]
    for number in range(8):
        scale = 0.5 * deviation * max(1 - number / 8 / 0.75, 0) ** 2
        drawn = np.asarray(example_normal(jax.random.fold_in(key, number), jnp.asarray(ids), (3, 5)))
        error = 2 / 16 * (LAYERS @ (ws + scale[:, None, None] * drawn) @ weights + 0.1 * maps.reshape(2, 16) - goal)
        gradients = [np.einsum("np,dp,l->nld", error, weights, LAYERS), 0.1 * error.reshape(2, 4, 4)]
        for axis in (1, 2):
            product = (maps * np.roll(maps, 1, axis)).mean((1, 2))[:, None, None]
            gradients[1] += 0.3 * 2 * product * (np.roll(maps, 1, axis) + np.roll(maps, -1, axis)) / 16
        down = min((1 - number / 8) / 0.25, 1)
        rate = 0.1 * min(number / 8 / 0.05, 1) * (0.5 - 0.5 * np.cos(np.pi * down))
        for part, gradient, moment in zip((ws, maps), gradients, moments, strict=True):
            moment[0] += 0.1 * (gradient - moment[0])
            moment[1] += 0.001 * (gradient**2 - moment[1])
            corrected = moment[0] / (1 - 0.9 ** (number + 1)), moment[1] / (1 - 0.999 ** (number + 1))
            part -= rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        maps -= maps.mean((1, 2), keepdims=True)
        maps /= maps.std((1, 2), keepdims=True)
    np.testing.assert_allclose(found.fit.ws, ws, atol=1e-3)
    np.testing.assert_allclose(found.fit.noise["a"], maps, atol=1e-3)
    assert np.abs(ws - 1).max() > 0.1


def test_at_rate_0_only_the_maps_are_normalised():
    found = _search((0, 1, 2, 3), learning_rate=0.0)
    np.testing.assert_array_equal(found.fit.ws, np.zeros((4, 1, 5)))
    drawn = initial_noise({"a": jnp.zeros((4, 4))}, jax.random.key(0), np.arange(4))
    np.testing.assert_allclose(found.fit.noise["a"], style_projection.normalised(drawn)["a"], atol=1e-5)


def test_initial_noise_is_of_the_image_and_of_the_map():
    key, maps = jax.random.key(0), {"a": jnp.zeros((4, 4)), "b": jnp.zeros((4, 4))}
    noise = initial_noise(maps, key, np.array([5, 2]))
    np.testing.assert_array_equal(noise["b"][1], initial_noise(maps, key, np.array([2]))["b"][0])
    np.testing.assert_array_equal(noise["a"], example_normal(jax.random.fold_in(key, 0), jnp.array([5, 2]), (4, 4)))
    assert np.abs(np.asarray(noise["a"] - noise["b"])).max() > 0.1


def _gentle(players):
    """Images within [-1, 1] mostly, in which the noise, which is another one here, does not matter much."""

    def scaled(path, leaf):
        names = [part.key for part in path]
        factor = {"noise_strength": 0.1, "weight": 1.0 if "affine" in names or "torgb" not in names else 0.2}
        return leaf * factor.get(names[-1], 1.0)

    ema = players["ema"]
    return {**players, "ema": ema.replace(params=jax.tree_util.tree_map_with_path(scaled, ema.params))}


@pytest.mark.full
def test_the_projector_finds_an_image_s_own_w():
    """Images that the network made: the squared error falls tenfold, PSNR rises by 10 dB, w comes nearer."""
    run = stylegan2_runs.run(stylegan2_runs.tiny(model__conditional=False))
    views, players = run.opened.recipe.views, _gentle(run.players)
    mean, deviation = style_projection.w_statistics(lambda z: run.opened.views.mapping(players, z, z[:, 0]), 8, 1000)
    true = np.asarray(run.opened.views.mapping(players, np.random.RandomState(1).randn(4, 8), np.arange(4)))
    ids = np.arange(4)
    targets = np.asarray(run.opened.views.synthesis(players, true, "const", jax.random.key(0), ids))
    budget = BUDGET._replace(steps=100, noise_weight=1e2)
    projector = Projector(views["synthesis"], _pixels, 4, False, budget, _mesh(1))
    noise = initial_noise(views["noise_maps"](players), jax.random.key(1), ids)
    start, spread = Fit(np.tile(mean, (4, 1, 1)), noise), np.full(4, deviation)
    found = projector.project(players, None, targets, start, spread, jax.random.key(2), ids, {0})
    before, after = (psnr(found.progress[i], targets, 255).mean() for i in (0, 100))
    assert after > before + 10
    error = [np.square(found.progress[i].astype(float) - targets).mean() for i in (0, 100)]
    assert error[1] < error[0] / 10
    assert np.linalg.norm(found.fit.ws[:, 0] - true) < 0.8 * np.linalg.norm(mean - true)
