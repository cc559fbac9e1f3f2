"""A convolution in jaxgen's own form for CPUs against `lax`: values, gradients, and gradients of a gradient."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops.backend import compile_for


def up_to_double_backward(operation, x, kernel):
    """Value, both gradients, and both gradients of the squared gradient with respect to x, as R1 has it."""

    def slope(x, kernel):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(operation(x, kernel))))(x) ** 2)

    value, pull = jax.vjp(operation, x, kernel)
    return value, *pull(jnp.sin(value)), *jax.grad(slope, (0, 1))(x, kernel)


def assert_same(operation, x, kernel, tolerance: float) -> None:
    """tolerance: of the largest entry of each array."""
    actual = jax.jit(lambda x, kernel: up_to_double_backward(operation, x, kernel))(x, kernel)
    with compile_for("tpu"):
        expected = jax.jit(lambda x, kernel: up_to_double_backward(operation, x, kernel))(x, kernel)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * float(jnp.abs(e).max()))
