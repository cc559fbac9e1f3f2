"""Grouped convolution against plain `lax`: values, and derivatives of both orders, in and out of `lax.scan`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgen.ops import grouped_conv, winograd_3x3
from jaxgen.ops.backend import compile_for
from jaxgen.ops.conv import DIMENSIONS, Geometry
from jaxgen.ops.grouped_conv import grouped_conv_3x3

X = jax.random.normal(jax.random.key(0), (2, 5, 4, 6))
KERNEL = jax.random.normal(jax.random.key(1), (3, 3, 2, 9))  # 3 groups of 2 -> 3 channels


def plain(x, kernel):
    options = {"dimension_numbers": DIMENSIONS, "feature_group_count": x.shape[-1] // kernel.shape[2]}
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", precision="highest", **options)


def test_equals_lax():
    np.testing.assert_allclose(jax.jit(grouped_conv_3x3)(X, KERNEL), plain(X, KERNEL), atol=1e-5)


def test_sets_of_groups_make_the_whole(monkeypatch):
    x, kernel = jnp.concatenate([X, X[::-1]], -1), jnp.concatenate([KERNEL, -2 * KERNEL], -1)  # 6 groups
    for most, sets in ((1, 6), (5, 3), (6, 2), (12, 1)):
        monkeypatch.setattr(grouped_conv, "_MOST_CHANNELS", most)
        text = str(jax.make_jaxpr(lambda x, k: grouped_conv_3x3(x, k))(x, kernel))
        assert text.count("custom_vjp_call[") == sets
        np.testing.assert_allclose(jax.jit(lambda x, k: grouped_conv_3x3(x, k))(x, kernel), plain(x, kernel), atol=1e-5)


def test_of_groups_of_one_channel_and_of_one_group():
    for x, kernel in ((X, KERNEL[:, :, :1, :6]), (X[..., :2], KERNEL)):
        np.testing.assert_allclose(jax.jit(grouped_conv_3x3)(x, kernel), plain(x, kernel), atol=1e-5)


def slopes(convolve, scanned):
    """Derivatives of a gradient penalty, which holds derivatives of the kernel's gradient and of the input's."""

    def penalty(x, kernel):
        of_x, of_kernel = jax.grad(lambda x, k: jnp.sum(jnp.sin(convolve(x, k))), (0, 1))(x, kernel)
        return jnp.sum(of_x**2) + jnp.sum(of_kernel**2)

    def value(x, kernel):
        if not scanned:
            return penalty(x, kernel)
        return lax.scan(lambda total, x: (total + penalty(x[None], kernel), None), 0.0, x)[0]

    return jax.jit(jax.value_and_grad(value, (0, 1)))(X, KERNEL)


@pytest.mark.parametrize(("scanned", "most"), [(False, 96), (True, 96), (False, 2)])
def test_derivatives_of_both_orders_equal_those_of_lax(scanned, most, monkeypatch):
    monkeypatch.setattr(grouped_conv, "_MOST_CHANNELS", most)  # 2: each group is a convolution of its own
    for ours, expected in zip(*(jax.tree.leaves(slopes(f, scanned)) for f in (grouped_conv_3x3, plain)), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5 * float(np.abs(expected).max()))


def test_derivatives_of_both_orders_of_several_sets_in_winograds_form():
    """As in R3GAN of the paper's width."""
    x = jax.random.normal(jax.random.key(2), (4, 8, 8, 192))
    kernel = jax.random.normal(jax.random.key(3), (3, 3, 16, 192))
    assert winograd_3x3.pays((3, 3, 96, 96), Geometry((1, 1), ((1, 1), (1, 1)), (1, 1)), (4, 8, 8, 96), 96, x.dtype)

    def slope(convolve):
        def penalty(kernel):
            return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(convolve(x, kernel) / 16)))(x) ** 2)

        return jax.jit(jax.grad(penalty))(kernel)

    ours, expected = slope(grouped_conv_3x3), slope(plain)
    np.testing.assert_allclose(ours, expected, atol=1e-4 * float(np.abs(expected).max()))


def test_bfloat16_keeps_its_type_and_sums_in_float32():
    x, kernel = (a.astype(jnp.bfloat16) for a in (X, KERNEL))
    y = jax.jit(grouped_conv_3x3)(x, kernel)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        y.astype(jnp.float32), plain(*(a.astype(jnp.float32) for a in (x, kernel))), rtol=5e-3, atol=1e-2
    )


def test_accelerators_get_one_grouped_convolution():
    with compile_for("gpu"):
        text = jax.jit(lambda x, k: grouped_conv_3x3(x, k)).lower(X, KERNEL).as_text()
    assert text.count("stablehlo.convolution") == 1
    assert "feature_group_count = 3" in text
