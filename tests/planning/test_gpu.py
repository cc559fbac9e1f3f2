"""Memory estimated from a jaxpr."""

import jax
import jax.numpy as jnp

from jaxgen.planning.gpu import estimate


def test_memory_is_freed_after_the_last_use_and_elementwise_work_is_fused():
    x = jax.ShapeDtypeStruct((8, 8), jnp.float32)
    size = 8 * 8 * 4

    def run(x):
        for _ in range(5):
            x = jnp.tanh(x @ x) + 1  # of the product two are alive at a time, of the rest nothing
        return x

    found = estimate(jax.make_jaxpr(run)(x))
    assert 2 * size <= found.peak <= 3 * size
    looped = estimate(jax.make_jaxpr(lambda x: jax.lax.scan(lambda x, _: (x @ x, None), x, None, length=7)[0])(x))
    assert looped.traffic == 7 * 2 * size
