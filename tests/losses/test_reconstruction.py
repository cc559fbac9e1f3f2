"""Log-cosh is a density, MS-SSIM and VGG distances are losses with slopes everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, signal

from jaxgen.errors import UserError
from jaxgen.losses.likelihoods import likelihood_of
from jaxgen.losses.reconstruction import log_cosh, perceptual
from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.metrics.ms_ssim import ms_ssim
from jaxgen.settings import default
from tests.helpers import random_vgg


def likelihood(name, **changes):
    settings = default.get_config().recipe
    settings.update({"likelihood": name, **changes})
    return likelihood_of(settings, None)


@pytest.mark.parametrize(("sharpness", "sigma"), [(10.0, 1.0), (10.0, 0.1), (1.0, 0.5), (0.3, 2.0)])
def test_log_cosh_integrates_to_one(sharpness, sigma):
    log_prob = log_cosh.density(sharpness, sigma).log_prob
    mean = jnp.full((1, 1, 1, 1), 0.3)

    x = 0.3 + sigma * np.linspace(-40, 40, 80_001)
    density = np.exp(np.asarray(log_prob({}, mean, x.reshape(-1, 1, 1, 1)), np.float64))
    assert integrate.simpson(density, x=x) == pytest.approx(1, abs=1e-4)


def test_the_constant_of_log_cosh_at_a_sharpness_of_ten():
    assert np.exp(log_cosh.log_normaliser(10.0)) == pytest.approx(2.13534, abs=1e-5)


def test_log_cosh_is_squared_near_zero_and_absolute_far_away():
    x = jnp.array([0.01, -0.02, 50.0, -300.0])
    np.testing.assert_allclose(log_cosh.log_cosh(x)[:2], [5e-5, 2e-4], rtol=2e-3)
    np.testing.assert_allclose(log_cosh.log_cosh(x)[2:], [50 - np.log(2), 300 - np.log(2)], rtol=1e-6)
    assert np.isfinite(jax.grad(lambda x: log_cosh.log_cosh(x).sum())(x)).all()


def test_the_scale_of_log_cosh_is_learned_unless_it_is_given():
    assert likelihood("log_cosh").init() == {"log_sigma": 0}
    assert likelihood("log_cosh", sigma=0.5).init() == {}
    slope = jax.grad(lambda s: likelihood("log_cosh").log_prob({"log_sigma": s}, jnp.zeros((1, 4, 4, 1)), 0.0).sum())
    assert float(slope(0.0)) == pytest.approx(-16)  # a perfect fit wants a smaller scale


def pair(side=21):
    rng = np.random.default_rng(0)
    return (jnp.asarray(rng.uniform(-0.9, 0.9, (3, side, side, 2)), jnp.float32) for _ in range(2))


def test_ms_ssim_loss_is_the_metric_of_images_from_black_to_white():
    outputs, x = pair()
    outputs = 0.3 * outputs + jnp.arctanh(x)
    loss = likelihood("ms_ssim", reconstruction_weight=7.0)
    images = [np.round((np.asarray(image) + 1) * 127.5) for image in (jnp.tanh(outputs), x)]
    expected = -7 * (1 - ms_ssim(*images, 255))
    np.testing.assert_allclose(loss.log_prob({}, outputs, x), expected, atol=0.01)
    assert float(jnp.abs(expected).min()) > 0.1
    np.testing.assert_allclose(loss.log_prob({}, jnp.arctanh(x), x), 0, atol=1e-4)
    assert not loss.normalised


def test_ms_ssim_loss_has_a_finite_slope_at_negative_contrast():
    _, x = pair()
    loss = likelihood("ms_ssim")
    slope = jax.jit(jax.grad(lambda outputs: loss.log_prob({}, outputs, x).sum()))(-2 * x)
    assert np.isfinite(slope).all()
    assert np.all(np.abs(slope).max((1, 2, 3)) > 1e-4)
    better = loss.log_prob({}, -2 * x + 0.1 * slope / jnp.abs(slope).max(), x)
    assert np.all(better > loss.log_prob({}, -2 * x, x))


def test_images_too_small_for_ms_ssim_are_refused():
    with pytest.raises(UserError, match="smaller than 21x21"):
        likelihood("ms_ssim").log_prob({}, jnp.zeros((1, 16, 16, 1)), jnp.zeros((1, 16, 16, 1)))


@pytest.fixture
def layers(monkeypatch):
    """The layers of a small random network, which takes the place of VGG16."""
    network = random_vgg.network()
    monkeypatch.setattr(lpips_vgg, "load", lambda: network)
    return network.params["layers"]


def convolved(x, layer):
    """3x3 convolution with zeros around, bias and ReLU, in SciPy: [H, W, C] float64."""
    kernel = layer["kernel"].astype(np.float64)
    channels = [
        sum(signal.correlate2d(x[..., i], kernel[..., i, o], mode="same") for i in range(x.shape[-1]))
        for o in range(kernel.shape[-1])
    ]
    return np.maximum(np.stack(channels, axis=-1) + layer["bias"], 0)


def blocks_in_numpy(image, layers):
    mean, deviation = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    x, found = (image - mean) / deviation, []
    for number, layer in enumerate(layers):
        x = convolved(x, layer)
        if number in (1, 3, 6):
            found.append(x)
            x = x[: len(x) // 2 * 2, : len(x) // 2 * 2]
            x = x.reshape(len(x) // 2, 2, len(x) // 2, 2, -1).max((1, 3))
    return found


@pytest.mark.full
def test_perceptual_loss_equals_scipy(layers):
    rng = np.random.default_rng(2)
    x, outputs = rng.uniform(-0.9, 0.9, (2, 8, 8, 3)), rng.normal(size=(2, 8, 8, 3))
    loss = likelihood("perceptual", reconstruction_weight=3.0)
    expected = []
    for image, output in zip(x, np.tanh(outputs), strict=True):
        pairs = zip(blocks_in_numpy(output, layers), blocks_in_numpy(image, layers), strict=True)
        expected.append(-3 * sum(0.5 * np.mean((a - b) ** 2) for a, b in pairs))
    computed = loss.log_prob({}, outputs.astype(np.float32), x.astype(np.float32))
    np.testing.assert_allclose(computed, expected, rtol=1e-4)
    assert not loss.normalised
    assert len(list(perceptual.features(jnp.zeros((1, 8, 8, 1))))) == 3  # gray images too


def test_an_unknown_likelihood_lists_those_with_a_file_of_their_own():
    with pytest.raises(UserError, match=r"did you mean 'log_cosh'.*gaussian.*ms_ssim"):
        likelihood("log_cos")


@pytest.mark.parametrize(
    ("name", "key", "value"), [("log_cosh", "log_cosh_sharpness", 0.0), ("ms_ssim", "reconstruction_weight", -1.0)]
)
def test_impossible_numbers_are_refused(name, key, value):
    with pytest.raises(UserError, match=f"config.recipe.{key}={value}: it must be above 0"):
        likelihood(name, **{key: value})
