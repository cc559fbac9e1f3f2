"""Modulated convolution: equations 1 and 3 in NumPy, both forms equal, half precision does not overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxgen.models.stylegan2 import layers
from jaxgen.ops import conv as ops_conv
from jaxgen.ops import resample

modulated_conv = jax.jit(layers.modulated_conv, static_argnames=("demodulate", "up", "fused"))
upsample_conv = jax.jit(resample.upsample_conv)
conv = jax.jit(ops_conv.conv, static_argnames="padding")
KEYS = jax.random.split(jax.random.key(0), 3)


def inputs(size=3, n=3, side=6, c=4, o=5):
    x = jax.random.normal(KEYS[0], (n, side, side, c))
    return x, jax.random.normal(KEYS[1], (size, size, c, o)), 1 + 0.5 * jax.random.normal(KEYS[2], (n, c))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_equals_the_equations(size, demodulate, up, fused):
    x, kernel, styles = inputs(size)
    y = modulated_conv(x, kernel, styles, demodulate=demodulate, up=up, fused=fused)
    for i in range(len(x)):
        weight = np.asarray(kernel, np.float64) * np.asarray(styles, np.float64)[i][:, None]
        if demodulate:
            weight = weight / np.sqrt((weight**2).sum((0, 1, 2)) + 1e-8)
        weight = weight.astype(np.float32)
        image = np.asarray(x)[i : i + 1]
        expected = upsample_conv(image, weight) if up == 2 else conv(image, weight, padding=size // 2)
        np.testing.assert_allclose(np.asarray(y)[i], np.asarray(expected)[0], rtol=1e-4, atol=2e-5)


def test_demodulation_keeps_the_expected_variance():
    x, kernel, styles = inputs(n=64, side=16, c=8, o=16)
    y = modulated_conv(x, 30 * kernel, 5 * styles)
    assert abs(float(jnp.var(y[:, 2:-2, 2:-2])) - 1) < 0.05


def test_the_small_number_is_inside_the_root():
    x, kernel, styles = inputs()
    y = modulated_conv(x, 1e-5 * kernel, styles)
    energy = np.einsum("nc,hwco->no", np.asarray(styles) ** 2, (1e-5 * np.asarray(kernel)) ** 2)
    plain = modulated_conv(x, 1e-5 * kernel, styles, demodulate=False)
    np.testing.assert_allclose(y, plain / np.sqrt(energy + 1e-8)[:, None, None], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("fused", [False, True])
def test_half_precision_does_not_overflow(fused):
    x, kernel, styles = inputs()
    full = modulated_conv(x, kernel, styles)
    half = modulated_conv(x.astype(jnp.float16), 1e6 * kernel, 1e6 * styles, fused=fused)
    assert half.dtype == jnp.float16
    np.testing.assert_allclose(half.astype(jnp.float32), full, rtol=0.03, atol=0.03)


@pytest.mark.full
@pytest.mark.parametrize("fused", [False, True])
def test_derivatives_against_differences(fused):
    x, kernel, styles = inputs(n=2, side=3, c=2, o=2)
    check_grads(
        jax.jit(lambda *a: jnp.sin(modulated_conv(*a, up=2, fused=fused))),
        (x, kernel, styles),
        order=2,
        modes=["rev"],
        atol=0.05,
        rtol=0.05,
    )
