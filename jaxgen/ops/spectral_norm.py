"""Spectral normalisation (Miyato et al. 2018, Algorithm 1): a kernel divided by its largest singular value."""

import flax.linen as nn
import jax
import jax.numpy as jnp

# The Flax collection of the singular vectors. Whoever applies a network decides by its mutability whether they move:
# one power iteration where it is mutable, none where it is not (evaluation, and further passes of the same update).
SPECTRAL_NORM = "spectral_norm"


def normalize_kernel(module: nn.Module, kernel: jax.Array) -> jax.Array:
    """`kernel / sigma` in float32, inside a compact `__call__` of `module`.

    The kernel [..., C_in, C_out] counts as a matrix with C_out columns, as in the paper. The estimates of its first
    singular vectors, `u` [C_out] and `v` [the rest], live in collection `SPECTRAL_NORM`; the gradient flows through
    sigma = u^T W v but not through them.
    """
    matrix = kernel.astype(jnp.float32).reshape(-1, kernel.shape[-1])
    fixed = jax.lax.stop_gradient(matrix)

    if module.is_initializing():
        first_u = _unit(jax.random.normal(module.make_rng("params"), (matrix.shape[1],)))
        u = module.variable(SPECTRAL_NORM, "u", lambda: first_u)
        v = module.variable(SPECTRAL_NORM, "v", lambda: _unit(fixed @ first_u))
    else:
        u, v = module.variable(SPECTRAL_NORM, "u"), module.variable(SPECTRAL_NORM, "v")
        if module.is_mutable_collection(SPECTRAL_NORM):
            v.value = _unit(fixed @ u.value)
            u.value = _unit(v.value @ fixed)
    return kernel / (v.value @ matrix @ u.value)


def _unit(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x)) + 1e-12)
