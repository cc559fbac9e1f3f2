"""Spectral normalisation against numpy's singular values, and when its vectors move."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.ops.layers import SPECTRAL_NORM, Conv, ConvPool, ConvTranspose, Dense, UpsampleConv

KEY = jax.random.key(0)
LAYERS = {
    "dense": Dense(24, spectral_norm=True),
    "conv": Conv(24, spectral_norm=True),
    "conv_4x4": Conv(24, kernel_size=4, stride=2, padding=1, spectral_norm=True),
    "conv_pool": ConvPool(24, spectral_norm=True),
    "conv_transpose": ConvTranspose(24, spectral_norm=True),
    "upsample_conv": UpsampleConv(24, spectral_norm=True),
}


def inputs(name):
    return jax.random.normal(KEY, (2, 8) if name == "dense" else (2, 8, 8, 8))


def sigma_of(variables):
    kernel = np.asarray(variables["params"]["kernel"], np.float64)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)


@pytest.mark.parametrize(
    "name",
    [
        "dense",
        "conv_transpose",
        *(pytest.param(x, marks=pytest.mark.full) for x in LAYERS if x not in ("dense", "conv_transpose")),
    ],
)
def test_the_estimate_converges_to_the_largest_singular_value(name):
    layer, x = LAYERS[name], inputs(name)
    variables = layer.init(KEY, x)
    sigma = sigma_of(variables)[0]
    plain = layer.clone(spectral_norm=False)
    normalized = {"params": {**variables["params"], "kernel": variables["params"]["kernel"] / sigma}}
    exact = plain.apply(normalized, x)
    step = jax.jit(lambda variables: layer.apply(variables, x, mutable=[SPECTRAL_NORM]))
    errors = []
    for _ in range(300):
        y, changed = step(variables)
        variables = {**variables, **changed}
        errors.append(float(jnp.abs(y - exact).max()))
    assert errors[0] > 1e-2  # or there would be nothing to converge
    assert errors[-1] < 1e-4
    u, v = variables[SPECTRAL_NORM]["u"], variables[SPECTRAL_NORM]["v"]
    matrix = np.asarray(variables["params"]["kernel"]).reshape(-1, 24)
    assert float(v @ matrix @ u) == pytest.approx(sigma, rel=1e-4)


def test_one_step_is_algorithm_1_by_hand():
    layer, x = Dense(6, use_bias=False, spectral_norm=True), jnp.eye(5)
    variables = layer.init(KEY, x)
    weight, u = np.asarray(variables["params"]["kernel"], np.float64).T, np.asarray(variables[SPECTRAL_NORM]["u"])
    v = weight.T @ u / np.linalg.norm(weight.T @ u)
    u = weight @ v / np.linalg.norm(weight @ v)
    y, changed = layer.apply(variables, x, mutable=[SPECTRAL_NORM])
    np.testing.assert_allclose(y, weight.T / (u @ weight @ v), rtol=1e-5)
    np.testing.assert_allclose(changed[SPECTRAL_NORM]["u"], u, rtol=1e-5)
    np.testing.assert_allclose(changed[SPECTRAL_NORM]["v"], v, rtol=1e-5)


def test_nothing_moves_where_the_collection_is_not_mutable():
    layer, x = LAYERS["conv"], inputs("conv")
    variables = layer.init(KEY, x)
    _, moved = layer.apply(variables, x, mutable=[SPECTRAL_NORM])
    assert np.abs(moved[SPECTRAL_NORM]["u"] - variables[SPECTRAL_NORM]["u"]).max() > 1e-3
    # The pass that moves the vectors and a pass with what it left see the same kernel.
    np.testing.assert_array_equal(
        layer.apply({**variables, **moved}, x), layer.apply(variables, x, mutable=[SPECTRAL_NORM])[0]
    )


def test_the_gradient_flows_through_sigma_and_not_through_its_vectors():
    layer, x = Dense(6, use_bias=False, spectral_norm=True), jax.random.normal(KEY, (4, 5))
    variables = layer.init(KEY, x)
    target = jax.random.normal(jax.random.key(1), (4, 6))

    def loss(kernel):
        changed = {**variables, "params": {"kernel": kernel}}
        return jnp.sum(target * layer.apply(changed, x, mutable=[SPECTRAL_NORM])[0])

    kernel = variables["params"]["kernel"]
    _, state = layer.apply(variables, x, mutable=[SPECTRAL_NORM])
    u, v = state[SPECTRAL_NORM]["u"], state[SPECTRAL_NORM]["v"]
    # Miyato et al. 2018, equation 12, in the transposed layout: (G - <G, W/s> v u^T) / s with G the plain gradient.
    plain, sigma = x.T @ target, v @ kernel @ u
    expected = (plain - jnp.sum(plain * kernel) / sigma * jnp.outer(v, u)) / sigma
    np.testing.assert_allclose(jax.grad(loss)(kernel), expected, rtol=1e-4, atol=1e-5)


def test_dense_without_it_is_flax_dense():
    x = jax.random.normal(KEY, (3, 7))
    ours, flax = Dense(5), nn.Dense(5)
    variables = flax.init(KEY, x)
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, ours.init(KEY, x)))
    np.testing.assert_allclose(ours.apply(variables, x), flax.apply(variables, x), rtol=1e-5)


def test_bfloat16_keeps_its_vectors_in_float32():
    layer = Conv(24, spectral_norm=True, dtype=jnp.bfloat16)
    y, variables = layer.init_with_output(KEY, inputs("conv"))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
