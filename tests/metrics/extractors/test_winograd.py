import jax
import numpy as np
import pytest
from scipy.signal import correlate

from jaxgen.metrics.extractors import winograd

SIZES = [(3, 3), (5, 5), (1, 7), (7, 1), (1, 3), (3, 1)]
CASES = [(size, 1, padding) for size in SIZES for padding in ("SAME", "VALID")] + [((3, 3), 2, "VALID")]


def _direct(x, kernel, stride, padding):
    """The definition in float64, by scipy, one pair of channels at a time."""
    margins = [(n - 1) // 2 if padding == "SAME" else 0 for n in kernel.shape[:2]]
    x = np.pad(x, ((0, 0), *((m, m) for m in margins), (0, 0))).astype(np.float64)
    maps = [
        [
            sum(correlate(image[..., c], kernel[..., c, o], "valid", "direct") for c in range(kernel.shape[2]))
            for o in range(kernel.shape[3])
        ]
        for image in x
    ]
    return np.moveaxis(np.array(maps), 1, -1)[:, ::stride, ::stride]


def _plain_sum(x, kernel):
    """The convolution with padding SAME in float32, one product after the other."""
    height, width, channels, _ = kernel.shape
    padded = np.pad(x, ((0, 0), (height // 2, height // 2), (width // 2, width // 2), (0, 0)))
    total = np.zeros((*x.shape[:3], kernel.shape[3]), np.float32)
    for i, j, c in np.ndindex(height, width, channels):
        total += padded[:, i : i + x.shape[1], j : j + x.shape[2], c : c + 1] * kernel[i, j, c]
    return total


@pytest.mark.parametrize(("taps", "stride"), [(1, 1), (3, 1), (5, 1), (7, 1), (3, 2)])
def test_transforms_are_exact(taps, stride):
    r = np.random.default_rng(0)
    outputs, kernels, inputs = winograd.transforms(taps, stride)
    tile, extent = len(outputs), inputs.shape[1]
    assert extent == stride * (tile - 1) + taps
    h, d = r.normal(size=taps), r.normal(size=extent)
    got = outputs @ ((kernels @ h) * (inputs @ d))
    expected = [h @ d[stride * i : stride * i + taps] for i in range(tile)]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14 * 2 ** (taps // 2))
    if taps > 1:
        assert len(kernels) < tile * taps


@pytest.mark.parametrize(("taps", "stride"), [(2, 1), (9, 1), (5, 2), (3, 3)])
def test_forms_that_do_not_exist_are_refused(taps, stride):
    with pytest.raises(ValueError, match="no form"):
        winograd.transforms(taps, stride)


@pytest.mark.parametrize(("size", "stride", "padding"), CASES)
@pytest.mark.parametrize("shape", [(9, 8), (8, 11)], ids=str)
def test_equals_the_definition(size, stride, padding, shape):
    r = np.random.default_rng(0)
    x = np.maximum(r.normal(size=(2, *shape, 20)), 0).astype(np.float32)
    kernel = r.normal(size=(*size, 20, 3)) / np.sqrt(20 * size[0] * size[1])
    expected = _direct(x, kernel, stride, padding)
    conv = jax.jit(winograd.conv, static_argnums=(2, 3, 4))
    got = conv(x, winograd.kernel_terms(kernel, stride), size, stride, padding)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("size", "factor"), [((3, 3), 1.1), ((5, 5), 3), ((1, 7), 3.2)])
def test_errors_beside_those_of_a_plain_sum(size, factor):
    """Root mean squares, over sums as long as the network's. The plain sum adds one product after the other.

    XLA's own convolution would be another measure in each version: that of jaxlib 0.12 has half the errors of 0.10.
    """
    r = np.random.default_rng(0)
    x = np.maximum(r.normal(size=(1, 12, 12, 160)), 0).astype(np.float32)
    kernel = r.normal(size=(*size, 160, 4)).astype(np.float32)
    got = jax.jit(winograd.conv, static_argnums=(2, 3, 4))(x, winograd.kernel_terms(kernel), size, 1, "SAME")
    exact = _direct(x, kernel, 1, "SAME")
    errors = [np.sqrt(np.mean((y - exact) ** 2)) for y in (got, _plain_sum(x, kernel))]
    assert errors[0] < factor * errors[1]
    # Processors sum in different orders: 1.7e-6 was measured on one kind, below 1e-6 on another.
    assert errors[0] < 2e-6 * np.sqrt(np.mean(exact**2))
