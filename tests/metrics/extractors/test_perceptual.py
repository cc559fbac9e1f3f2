"""Distances with gradients: LPIPS's own value, the order of damages, gradients where activations vanish."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import lpips, lpips_vgg, perceptual, weights


def _distance(embed, params, a, b):
    pairs = zip(embed(params, a), embed(params, b), strict=True)
    return sum(jnp.sum((x - y) ** 2, axis=(1, 2, 3)) for x, y in pairs)


def _vgg():
    """LPIPS on VGG16, two channels wide."""
    r = np.random.default_rng(0)
    tensors, channels = {}, 3
    for i in range(13):
        tensors[f"conv{i}.kernel"] = r.normal(size=(3, 3, channels, 2)) * 0.5
        tensors[f"conv{i}.bias"], channels = np.full(2, -0.05), 2
    tensors |= {f"linear{i}": r.uniform(0, 1, 2) for i in range(5)}
    return lpips.Lpips("narrow", lpips.params_from(tensors), lpips_vgg.activations, 16)


@pytest.fixture(scope="module")
def images():
    r = np.random.default_rng(1)
    a, b = r.uniform(-1, 1, (2, 3, 16, 16, 3)).astype(np.float32)
    b[2] = a[2]
    return a, b


def test_lpips_of_embeddings_is_lpips(images):
    vgg = _vgg()
    mine = jax.jit(functools.partial(_distance, vgg.embedding))(vgg.params, *images)
    np.testing.assert_allclose(mine, vgg.distance(*map(jnp.asarray, images)), rtol=1e-4, atol=1e-7)
    assert mine[2] < 1e-9 < mine[0]


def test_gradients_are_finite_where_all_channels_are_0(images):
    vgg = _vgg()
    black = jnp.full((1, 16, 16, 3), -0.1)
    activations = list(vgg.activations(vgg.params["layers"], lpips.scaled(black)))
    assert any((activation.sum(-1) == 0).any() for activation in activations)
    gradient = jax.jit(
        jax.grad(lambda x: _distance(vgg.embedding, vgg.params, x, images[0][:1]).sum()),
    )(black)
    assert np.isfinite(gradient).all()


@pytest.fixture(scope="module")
def disc():
    """A disc [1, 16, 16, 1], and noise of its size."""
    x, y = np.mgrid[-1:1:16j, -1:1:16j]
    image = np.tanh(6 * (0.5 - np.hypot(x, y)))[None, ..., None].astype(np.float32)
    return image, np.random.default_rng(0).normal(size=image.shape).astype(np.float32)


def test_efficientnet_tells_more_damage_from_less(disc):
    image, noise = disc
    network = perceptual.load("efficientnet_lite0", "key", (16, 16, 1))
    embed = jax.jit(network.embed)
    arrays = embed(network.params, jnp.asarray(np.concatenate([image + s * noise for s in (0, 0.05, 0.2)])))
    assert [array.shape[1:] for array in arrays] == [(64, 64, 16), (32, 32, 24), (16, 16, 40), (8, 8, 112), (4, 4, 320)]
    for array in arrays:  # each place has length 1, weighted alike
        np.testing.assert_allclose(jnp.sum(array**2, axis=(1, 2, 3)), 1 / 5, rtol=1e-3)
    near, far = (sum(float(jnp.sum((array[0] - array[i]) ** 2)) for array in arrays) for i in (1, 2))
    assert 0.01 < near < far < 4


def test_efficientnet_has_the_gradient_of_its_distance(disc, monkeypatch):
    monkeypatch.setattr(perceptual, "_STAGES", (0, 1))  # the others take long to compile, and are of the same layers
    image, noise = disc
    network = perceptual.load("efficientnet_lite0", "key", (16, 16, 1))

    @functools.partial(jax.jit)
    def value_and_grad(params, images, other):
        def distance(images):
            return _distance(network.embed, params, images, other).sum()

        return jax.value_and_grad(distance)(images)

    other = jnp.asarray(image)
    _, gradient = value_and_grad(network.params, image + 0.2 * noise, other)
    ends = [float(value_and_grad(network.params, image + s * noise, other)[0]) for s in (0.21, 0.19)]
    assert float((gradient * noise).sum()) == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.05)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("lpips", (32, 32, 3), "key='lpips' is unknown: did you mean 'lpips_vgg'"),
        ("lpips_vgg", (8, 8, 3), "images of 16 pixels or more"),
        ("lpips_vgg", (32, 32, 3), "LPIPS v0.1, VGG16: no weights"),
        ("efficientnet_lite0", (32, 32, 4), "4 channels are neither grey nor RGB"),
    ],
)
def test_refuses(monkeypatch, tmp_path, name, shape, words):
    def unreachable(file, network):
        raise UserError("unreachable")

    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "fetch_file", unreachable)
    lpips_vgg.load.cache_clear()
    with pytest.raises(UserError, match=words):
        perceptual.load(name, "key", shape)


def test_none_is_no_distance():
    assert perceptual.load("", "key", (8, 8, 4)).embed({}, jnp.zeros((1, 8, 8, 4))) == []
