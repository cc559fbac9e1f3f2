"""The convolution for CPU against `lax`: values, both gradients, and gradients of gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxgen.ops.backend import compile_for
from jaxgen.ops.conv import conv

CASES = {
    "same": {},
    "one sided": {"padding": ((0, 3), (1, -1)), "stride": 2},
    "torch stride 2": {"padding": 1, "stride": 2},
    "stride 2 and 1": {"padding": 1, "stride": (2, 1)},
    "transposed": {"padding": 2, "input_dilation": 2},
    "transposed one sided": {"padding": ((2, 1), (1, 2)), "input_dilation": 2},
    "transposed by 3 with a gap": {"padding": ((0, 1), (2, 0)), "input_dilation": 3},
    "fraction": {"padding": 2, "input_dilation": (2, 1), "stride": (1, 2)},
    "valid": {"padding": "VALID"},
}
# Thin and wide channels take different paths; each geometry meets the wide one, a few of them all.
THIN = [(3, 5), (20, 3), (3, 20)]
FEW = ("same", "torch stride 2", "transposed one sided")
PAIRS = [("same", (3, 20)), ("torch stride 2", (18, 20)), ("transposed one sided", (20, 3))]
REST = [(case, (18, 20)) for case in CASES] + [(case, channels) for case in FEW for channels in THIN]
PAIRS += [pytest.param(*pair, marks=pytest.mark.full) for pair in REST if pair not in PAIRS]
SOME = [
    {"stride": 2, "padding": 1},
    *(pytest.param(x, marks=pytest.mark.full) for x in ({}, {"input_dilation": 2, "padding": 2})),
]


def reference(x, kernel, **options):
    with compile_for("tpu"):
        return conv(x, kernel, **options)


def arrays(c_in=3, c_out=5, size=(3, 3), n=2, shape=(9, 8)):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *shape, c_in)).astype(np.float32)
    kernel = rng.standard_normal((*size, c_in, c_out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel / np.sqrt(kernel.size / c_out))


def penalty(operation):
    """A loss with an R1-style term: a gradient with respect to x, squared."""

    def loss(x, kernel):
        def score(x):
            return jnp.sum(jnp.sin(operation(x, kernel)))

        return jnp.sum(jnp.cos(operation(x, kernel))) + 0.5 * jnp.sum(jax.grad(score)(x) ** 2)

    return loss


def assert_close(actual, expected, tolerance=2e-5):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == e.dtype
        a, e = np.asarray(a, np.float64), np.asarray(e, np.float64)
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * np.abs(e).max())


@pytest.mark.parametrize(("case", "channels"), PAIRS)
def test_equals_lax_up_to_double_backward(case, channels):
    options, (x, kernel) = CASES[case], arrays(*channels)

    def both(operation):
        def run(x, kernel):
            value, pull = jax.vjp(operation, x, kernel)
            return value, pull(jnp.sin(value)), jax.grad(penalty(operation), (0, 1))(x, kernel)

        return jax.jit(run)(x, kernel)

    assert_close(both(lambda x, k: conv(x, k, **options)), both(lambda x, k: reference(x, k, **options)))


@pytest.mark.parametrize("size", [(4, 4), *(pytest.param(x, marks=pytest.mark.full) for x in ((1, 1), (2, 3), (3, 5)))])
@pytest.mark.parametrize("options", SOME[::2], ids=str)
def test_kernel_sizes(size, options):
    x, kernel = arrays(size=size, shape=(7, 6))
    fast, plain = (
        jax.jit(jax.grad(penalty(lambda x, k, form=form: form(x, k, **options)), (0, 1)))(x, kernel)
        for form in (conv, reference)
    )
    assert_close(fast, plain)


def test_derivative_of_kernel_gradient():
    x, kernel = arrays(18, 20)

    def sharpness(operation):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(operation(x, kernel)))

        return jax.jit(jax.grad(lambda x, k: jnp.sum(jax.grad(loss, 1)(x, k) ** 2), (0, 1)))(x, kernel)

    assert_close(sharpness(lambda x, k: conv(x, k, 2, 1)), sharpness(lambda x, k: reference(x, k, stride=2, padding=1)))


@pytest.mark.parametrize("options", SOME, ids=str)
def test_in_scan_and_under_vmap(options):
    x, kernel = arrays()
    gradient = jax.grad(penalty(lambda x, k: conv(x, k, **options)), (0, 1))
    expected = jax.jit(gradient)(x, kernel)
    _, scanned = jax.jit(lambda: jax.lax.scan(lambda _, s: (None, gradient(x, s * kernel)), None, jnp.ones(2)))()
    assert_close(jax.tree.map(lambda g: g[1], scanned), expected)
    mapped = jax.jit(jax.vmap(gradient))(jnp.stack([x, 2 * x]), jnp.stack([kernel, kernel]))
    assert_close(jax.tree.map(lambda g: g[0], mapped), expected)


def test_in_pieces_of_the_batch():
    # 24 images of 32x32x(16+16) floats do not fit one piece, and 24 is no power of two.
    x, kernel = arrays(16, 16, n=24, shape=(32, 32))
    fast = jax.jit(jax.grad(lambda k: jnp.sum(jnp.sin(conv(x, k)))))(kernel)
    assert_close(fast, jax.jit(jax.grad(lambda k: jnp.sum(jnp.sin(reference(x, k)))))(kernel))


@pytest.mark.parametrize("options", SOME, ids=str)
def test_bfloat16(options):
    x, kernel = arrays(20, 20, n=8)

    @jax.jit
    def run(x, kernel):
        return jax.grad(lambda x, k: jnp.sum(jnp.sin(conv(x, k, **options))).astype(jnp.float32), (0, 1))(x, kernel)

    low = run(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    assert {g.dtype for g in low} == {jnp.dtype(jnp.bfloat16)}
    assert_close(jax.tree.map(lambda g: g.astype(jnp.float32), low), run(x, kernel), tolerance=0.04)


def test_long_sums_in_bfloat16_do_not_stall():
    # 2**14 ones: a bfloat16 sum would stop at 256.
    x = jnp.ones((16, 32, 32, 16), jnp.bfloat16)
    gradient = jax.jit(jax.grad(lambda k: jnp.sum(conv(x, k, padding="VALID").astype(jnp.float32))))(
        jnp.ones((1, 1, 16, 16), jnp.bfloat16)
    )
    np.testing.assert_array_equal(np.asarray(gradient, np.float32), 2.0**14)


@pytest.mark.parametrize("shared_kernel", [True, False])
@pytest.mark.parametrize("options", SOME, ids=str)
def test_inside_shard_map(options, shared_kernel):
    x, kernel = arrays(n=8)
    loss = penalty(lambda x, k: conv(x, k, **options))
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))

    def run(x, kernel):
        if not shared_kernel:
            kernel = jax.lax.pcast(kernel, "data", to="varying")
        value, (gx, gk) = jax.value_and_grad(loss, (0, 1))(x, kernel)
        # A kernel shared by the devices already has the sum of their gradients.
        return jax.lax.psum(value, "data"), gx, gk if shared_kernel else jax.lax.psum(gk, "data")

    sharded = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=(P("data"), P()), out_specs=(P(), P("data"), P())))
    value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))(x, kernel)
    assert_close(sharded(x, kernel), (value, *gradients))


def test_form_follows_the_hardware():
    x, kernel = arrays()

    def text(platform):
        with compile_for(platform):
            return str(jax.make_jaxpr(lambda x, k: conv(x, k))(x, kernel))

    assert "custom_vjp" in text("cpu")
    assert "custom_vjp" not in text("tpu")
