"""FIR resampling: SciPy axis by axis, the reference implementation's arrays, derivatives of both orders."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.signal import upfirdn as scipy_upfirdn

from jaxgen.ops import resample
from jaxgen.ops.conv import conv as ops_conv

KEY = jax.random.key(0)
# One program each: run operation by operation, every shift and sum would be compiled by itself.
upfirdn = jax.jit(resample.upfirdn, static_argnames=("taps", "up", "down", "padding", "gain"))
conv = jax.jit(ops_conv, static_argnames=("stride", "padding"))
GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "resample.npz"


def by_scipy(x, taps, up, down, padding, axis):
    """Zeros after each pixel, padding or cropping, convolution, decimation."""
    x = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    spread = np.zeros((*x.shape[:-1], x.shape[-1] * up))
    spread[..., ::up] = x
    low, high = padding
    spread = np.pad(spread, [(0, 0)] * (x.ndim - 1) + [(max(low, 0), max(high, 0))])
    spread = spread[..., max(-low, 0) : spread.shape[-1] - max(-high, 0)]
    full = scipy_upfirdn(np.array(taps), spread, 1, 1, axis=-1)
    return np.moveaxis(full[..., len(taps) - 1 : spread.shape[-1]][..., ::down], -1, axis)


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((2, 1), (1, 2)), ((-1, 3), (2, -2)), ((5, 0), (0, 4))])
def test_equals_scipy(up, down, padding):
    x, taps = jax.random.normal(KEY, (2, 7, 9, 3)), (0.1, 0.2, 0.5, 0.3)
    expected = by_scipy(x, taps, up, down, padding[0], 1)
    expected = 1.7 * by_scipy(expected, taps, up, down, padding[1], 2)
    y = upfirdn(x, taps, up=up, down=down, padding=padding, gain=1.7)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_no_strided_slices():
    """Compilers for TPUs make products of them; see `resample`."""

    def both(x):
        y, transpose = jax.vjp(lambda x: resample.upsample(resample.downsample(x)), x)
        return transpose(y)

    program = str(jax.make_jaxpr(both)(jnp.ones((1, 8, 8, 3))))
    strides = set(re.findall(r"strides=\(([0-9, ]+)\)", program))
    assert strides
    assert set("".join(strides)) == set("1, ")


def test_constants_stay_constant():
    assert sum(resample.BINOMIAL) == 1
    x = jnp.full((1, 8, 8, 1), 3.0)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(jax.jit(resample.upsample)(x)[inner], 3, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(resample.downsample)(jnp.full((1, 24, 24, 1), 3.0))[inner], 3, rtol=1e-6)


@pytest.mark.parametrize("operation", [resample.upsample, resample.downsample])
def test_derivatives_against_differences(operation):
    x = jax.random.normal(KEY, (1, 6, 6, 2))
    check_grads(jax.jit(lambda x: jnp.sin(operation(x))), (x,), order=2, modes=["rev"], atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(("up", "down", "padding"), [(2, 1, (2, 1)), (1, 2, (-1, 2)), (3, 2, (2, 0)), (2, 3, (0, -1))])
def test_the_derivative_is_the_transpose(up, down, padding):
    taps = (0.4, -0.1, 0.7)
    x = jax.random.normal(KEY, (2, 9, 8, 2))
    g, moved = jax.random.normal(jax.random.key(1), (2, 30, 30, 2)), jax.random.normal(jax.random.key(2), x.shape)

    @jax.jit
    def both(x, g, moved):
        y, pull = jax.vjp(lambda x: resample.upfirdn(x, taps, up=up, down=down, padding=padding), x)
        g = g[:, : y.shape[1], : y.shape[2]]
        forward = jnp.sum(g * resample.upfirdn(moved, taps, up=up, down=down, padding=padding))
        return jnp.sum(pull(g)[0] * moved), forward

    np.testing.assert_allclose(*both(x, g, moved), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolutions_that_resample_equal_their_two_parts(size):
    x, kernel = jax.random.normal(KEY, (2, 8, 8, 3)), jax.random.normal(jax.random.key(1), (size, size, 3, 5))
    # Inserted zeros, a plain convolution at the full resolution with the kernel unturned by transposition, the filter.
    spread = np.zeros((2, 8, 2, 8, 2, 3), np.float32)
    spread[:, :, 0, :, 0] = x
    spread = spread.reshape(2, 16, 16, 3)
    pad = size - 1
    full = conv(spread, np.asarray(kernel)[::-1, ::-1], padding=((pad, pad), (pad, pad)))
    start = 2 - size // 2
    expected = upfirdn(full, padding=(start, 4), gain=4)[:, :16, :16]
    np.testing.assert_allclose(jax.jit(resample.upsample_conv)(x, kernel), expected, rtol=1e-4, atol=1e-4)
    blurred = upfirdn(x, padding=(1 + size // 2, 1 + size // 2))
    expected = conv(blurred, kernel, stride=2, padding=0)
    np.testing.assert_allclose(jax.jit(resample.downsample_conv)(x, kernel), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the reference implementation's arrays are not here")
def test_equals_the_reference_implementation():
    arrays = dict(np.load(GOLDEN))
    x, kernel = arrays["x"].transpose(0, 2, 3, 1), arrays["w3"].transpose(2, 3, 1, 0)
    asymmetric = (1 / 11, 2 / 11, 5 / 11, 3 / 11)
    results = {
        "upsample2": jax.jit(resample.upsample)(x),
        "downsample2": jax.jit(resample.downsample)(x),
        "filter2d": upfirdn(x, padding=(2, 1)),
        "up3_down2_pad": upfirdn(x, up=3, down=2, padding=((0, 3), (2, 1)), gain=2.5),
        "asymmetric_filter_up2": upfirdn(x, asymmetric, up=2, padding=(2, 1), gain=4),
        "conv_up2": jax.jit(resample.upsample_conv)(x, kernel),
        "conv_down2": jax.jit(resample.downsample_conv)(x, kernel),
        "conv_plain": conv(x, kernel, padding=1),
    }
    for name, result in results.items():
        expected = arrays[name].transpose(0, 2, 3, 1)
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * scale, err_msg=name)
