"""Gradient penalties: closed forms on linear and quadratic critics, networks against plain `lax`, devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.losses import penalties
from jaxgen.losses.penalties import CHOICES
from jaxgen.ops.conv import conv
from jaxgen.ops.layers import Conv, ConvPool, Dense
from jaxgen.ops.random import example_ids
from tests.helpers.devices import spread

KEY = jax.random.key(0)
IDS = jnp.arange(8)
REALS = jax.random.normal(jax.random.key(1), (8, 6, 6, 2))
FAKES = 2 * jax.random.normal(jax.random.key(2), (8, 6, 6, 2)) + 1
WEIGHT = 0.3 * np.asarray(jax.random.normal(jax.random.key(3), (6, 6, 2)), np.float64)
SQUARED = float(np.sum(WEIGHT**2))


def linear(x):
    return jnp.sum(x * WEIGHT, axis=(1, 2, 3)) + 3.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wgan_gp", (np.sqrt(SQUARED) - 1) ** 2),
        ("dragan", (np.sqrt(SQUARED) - 1) ** 2),
        ("r1", SQUARED / 2),
        ("r2", SQUARED / 2),
        ("r1_r2", SQUARED),
        ("wgan_div", SQUARED**3),
        ("zero_centered", SQUARED),
    ],
)
def test_closed_form_on_a_linear_critic(name, expected):
    values = CHOICES[name](linear, REALS, FAKES, KEY, IDS)
    assert values.shape == (8,)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def quadratic(x):
    """D(x) = ||x||^2 / 2, whose gradient is x: the penalties then tell where they looked."""
    return 0.5 * jnp.sum(jnp.square(x), axis=(1, 2, 3))


def test_r1_looks_at_reals_and_r2_at_fakes():
    for name, images in (("r1", REALS), ("r2", FAKES)):
        values = CHOICES[name](quadratic, REALS, FAKES, KEY, IDS)
        np.testing.assert_allclose(values, 0.5 * np.sum(np.square(images), axis=(1, 2, 3)), rtol=1e-5)
    both = CHOICES["r1_r2"](quadratic, REALS, FAKES, KEY, IDS)
    np.testing.assert_allclose(both, 0.5 * np.sum(REALS**2 + FAKES**2, axis=(1, 2, 3)), rtol=1e-5)


def test_wgan_div_looks_between_reals_and_fakes():
    points = penalties.interpolate(REALS, FAKES, KEY, IDS)
    values = CHOICES["wgan_div"](quadratic, REALS, FAKES, KEY, IDS)
    np.testing.assert_allclose(values, np.linalg.norm(points.reshape(8, -1), axis=1) ** 6, rtol=1e-5)


def test_interpolates_lie_on_the_line_with_one_number_for_each_example():
    points = penalties.interpolate(REALS, FAKES, KEY, IDS)
    fractions = np.asarray((points - FAKES) / (REALS - FAKES)).reshape(8, -1)
    np.testing.assert_allclose(fractions, fractions[:, :1] * np.ones_like(fractions), atol=2e-4)
    assert ((fractions >= -1e-3) & (fractions <= 1.001)).all()
    assert len(np.unique(fractions[:, 0].round(4))) == 8


def test_dragan_stays_within_half_a_standard_deviation_of_the_reals(monkeypatch):
    seen = []
    monkeypatch.setattr(penalties, "norm_of_gradient", lambda critic, images: seen.append(images) or critic(images))
    CHOICES["dragan"](linear, REALS, FAKES, KEY, IDS)
    moved = np.asarray(seen[0] - REALS)
    bound = 0.5 * float(np.std(REALS))
    assert moved.min() >= -1e-6
    assert 0.8 * bound < moved.max() <= bound + 1e-6


def test_a_flat_critic_has_finite_derivatives():
    """The norm has no derivative at 0: a fresh critic with dead units must not turn into nan."""

    def loss(scale):
        return jnp.mean(CHOICES["wgan_gp"](lambda x: scale * linear(x), REALS, FAKES, KEY, IDS))

    value, gradient = jax.value_and_grad(loss)(0.0)
    assert (float(value), float(gradient)) == (1.0, 0.0)


KERNELS = {
    "first": jax.random.normal(jax.random.key(4), (3, 3, 2, 5)) * 0.3,
    "second": jax.random.normal(jax.random.key(5), (4, 4, 5, 4)) * 0.3,
    "last": jax.random.normal(jax.random.key(6), (3 * 3 * 4,)) * 0.3,
}


def network(convolve):
    def critic(params, x):
        x = jnp.tanh(convolve(x, params["first"], 1, ((1, 1), (1, 1))))
        x = jnp.tanh(convolve(x, params["second"], 2, ((1, 1), (1, 1))))
        return x.reshape(x.shape[0], -1) @ params["last"]

    return critic


def plain(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


def penalty_of(params, name, critic):
    return jnp.mean(CHOICES[name](lambda x: critic(params, x), REALS, FAKES, KEY, IDS))


@pytest.mark.parametrize("name", CHOICES)
def test_parameter_gradients_through_a_network_equal_those_through_lax(name):
    ours, reference = (
        jax.jit(jax.value_and_grad(lambda p, c=c: penalty_of(p, name, c)))(KERNELS)
        for c in (network(conv), network(plain))
    )
    assert float(ours[0]) == pytest.approx(float(reference[0]), rel=1e-4)
    for a, b in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(reference[1]), strict=True):
        assert np.abs(b).max() > 1e-4
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * float(np.abs(b).max()))


@pytest.mark.full
@pytest.mark.parametrize("name", CHOICES)
def test_parameter_gradients_through_a_network_equal_finite_differences(name):
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(x.size), x.shape), KERNELS)

    @jax.jit
    def along(t):
        return penalty_of(jax.tree.map(lambda p, d: p + t * d, KERNELS, direction), name, network(conv))

    numerical = (along(1e-3) - along(-1e-3)) / 2e-3
    assert float(jax.grad(along)(0.0)) == pytest.approx(float(numerical), rel=2e-2)


@pytest.mark.full
@pytest.mark.parametrize("name", CHOICES)
def test_the_same_on_1_and_4_devices(name):
    layers = [Conv(4, spectral_norm=True), ConvPool(8, spectral_norm=True), Dense(1)]
    variables, x = [], REALS
    for layer in layers[:2]:
        variables.append(layer.init(KEY, x))
        x = layer.apply(variables[-1], x)
    variables.append(layers[2].init(KEY, x.reshape(8, -1)))

    def critic(variables, x):
        for layer, v in zip(layers[:2], variables, strict=False):
            x = jax.nn.leaky_relu(layer.apply(v, x), 0.1)
        return layers[2].apply(variables[2], x.reshape(x.shape[0], -1))[:, 0]

    def run(variables, reals, fakes):
        def loss(variables):
            ids = example_ids(reals.shape[0])
            return lax.pmean(jnp.mean(CHOICES[name](lambda x: critic(variables, x), reals, fakes, KEY, ids)), "data")

        return jax.value_and_grad(loss)(variables)

    def on(count):
        mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])
        specs = (P(), P("data"), P("data"))
        images = (spread(x, count) for x in (REALS, FAKES))
        return jax.jit(jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=P()))(variables, *images)

    for a, b in zip(jax.tree.leaves(on(1)), jax.tree.leaves(on(4)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
