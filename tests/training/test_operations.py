"""The cost of a step read from its jaxpr: products against closed forms and XLA's own count, loops and conditions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.devices import parallel
from jaxgen.runs import session
from jaxgen.training import compiled_steps
from jaxgen.training.batches import shapes_of
from jaxgen.training.operations import cost_of

STEP = jax.ShapeDtypeStruct((), jnp.int32)
LEFT, RIGHT = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((3, 5), (5, 7)))
PRODUCT = 2 * 3 * 5 * 7


def cost(function, *arguments):
    return cost_of(function, STEP, *arguments, step=lambda arguments: arguments[0])


def test_a_product_and_its_gradients():
    def loss(step, a, b):
        return jnp.sum((a @ b) ** 2)

    assert cost(loss, LEFT, RIGHT).operations == PRODUCT
    assert cost(jax.grad(loss, (1, 2)), LEFT, RIGHT).operations == 3 * PRODUCT


def test_a_loop_counts_as_often_as_it_runs():
    def run(step, a, b):
        return jax.lax.scan(lambda total, _: (total + a @ b, None), jnp.zeros((3, 7)), None, length=11)[0]

    found = cost(run, LEFT, RIGHT)
    assert found.operations == found.busiest_operations == 11 * PRODUCT
    assert found.written_operations == PRODUCT


@pytest.mark.parametrize("interval", [1, 4, 16])
def test_what_every_kth_step_does_counts_a_kth(interval):
    """In a function within the step, too, and in a loop that only reads the step's number."""

    @jax.jit
    def lazily(step, a, b):
        return jax.lax.cond(step % interval == 0, lambda: a @ b, lambda: jnp.zeros((3, 7)))

    def run(step, a, b):
        return jax.lax.scan(lambda total, _: (total + lazily(step, a, b), None), a @ b, None, length=2)[0]

    found = cost(run, LEFT, RIGHT)
    assert found.operations == pytest.approx(PRODUCT * (1 + 2 / interval))
    assert found.busiest_operations == 3 * PRODUCT
    assert found.written_operations == 2 * PRODUCT


def test_a_condition_on_data_counts_its_dearest_branch():
    def run(step, a, b):
        return jax.lax.cond(a[0, 0] > 0, lambda: a @ b, lambda: jnp.zeros((3, 7)))

    assert cost(run, LEFT, RIGHT).operations == PRODUCT


@pytest.mark.parametrize(
    ("padding", "stride", "image_dilation", "kernel_dilation", "groups"),
    [("SAME", 1, 1, 1, 1), ("VALID", 2, 1, 1, 1), ([(3, 2)], 1, 2, 1, 1), ([(2, 2)], 1, 1, 2, 2)],
)
def test_a_convolution_leaves_out_padding_and_dilation(padding, stride, image_dilation, kernel_dilation, groups):
    """Against the convolution of ones with ones, which adds up the products of each output position."""
    image, kernel = np.ones((2, 4, 9), np.float32), np.ones((6, 4 // groups, 3), np.float32)

    def convolve(x, k):
        return jax.lax.conv_general_dilated(
            *(x, k, (stride,), padding, (image_dilation,), (kernel_dilation,)), feature_group_count=groups
        )

    counted = cost(lambda step, x, k: convolve(x, k), image, kernel)
    assert counted.operations == 2 * np.asarray(jax.jit(convolve)(image, kernel)).sum()


def test_all_reduced_bytes():
    mesh = parallel.make_mesh(2)

    def run(step, a):
        return jax.lax.psum(a, "data")

    mapped = jax.shard_map(run, mesh=mesh, in_specs=(P(), P("data")), out_specs=P())
    found = cost(mapped, jax.ShapeDtypeStruct((6, 5), jnp.float32))
    assert found.collective_bytes == found.reduced_bytes == 3 * 5 * 4  # each device's half


def test_gathers_count_by_their_result_and_scatters_by_their_input():
    mesh, share = parallel.make_mesh(4), jax.ShapeDtypeStruct((8, 5), jnp.float32)

    def counted(function):
        mapped = jax.shard_map(function, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"))
        found = cost(mapped, share)
        return found.collective_bytes, found.reduced_bytes

    whole, mine = 8 * 5 * 4, 2 * 5 * 4
    assert counted(lambda step, a: jax.lax.all_gather(a, "data")) == (whole, 0)
    assert counted(lambda step, a: jax.lax.psum_scatter(jnp.tile(a, (2, 1)), "data")) == (2 * mine, 0)
    assert counted(lambda step, a: jax.lax.ppermute(a, "data", [(0, 1), (1, 0)])) == (mine, 0)


def test_a_divided_optimiser_scatters_gradients_and_gathers_parameters(tiny_config):
    costs = {}
    for divided in (False, True):
        config = tiny_config("gan")
        config.num_devices, config.shard_optimizer = 4, divided
        costs[divided], _, state = step_cost(config)
    assert costs[False].reduced_bytes == costs[False].collective_bytes
    gradients = 0  # bytes that no longer are in an all-reduce
    for name in ("g", "d"):
        leaves = jax.tree.leaves(state.players[name].params)
        divided = sum(leaf.size for leaf in leaves if any(size % 4 == 0 for size in leaf.shape))
        assert 0 < divided // 4 < 1024  # one of a TPU's tiles, which ops/across_devices.py fills up
        gradients += 4 * divided - 4  # and the squared norm of the shares, in float32
    assert costs[False].reduced_bytes - costs[True].reduced_bytes == gradients
    # A scatter and a gather of two players, four devices, float32.
    assert costs[True].collective_bytes - costs[True].reduced_bytes == 2 * 2 * 4 * 1024 * 4


def step_cost(config):
    opened = session.open_session(config)
    state = parallel.abstract_state(opened.recipe, opened.mesh, 0)
    data = shapes_of(opened.batching, opened.train, None, 1)
    return compiled_steps.step_cost(opened.recipe, opened.batching, opened.mesh, state, data), opened, state


@pytest.mark.full
def test_critic_updates_and_parts_of_a_batch_count(tiny_config):
    """Each further critic update costs the same; in two parts a batch is trained as much, observed a little less."""

    def operations(n_critic, parts=1):
        config = tiny_config("gan")
        config.model.batch_norm = False
        config.recipe.share_fakes, config.recipe.n_critic, config.grad_accum_steps = False, n_critic, parts
        return step_cost(config)[0].operations

    one, two, five = (operations(n_critic) for n_critic in (1, 2, 5))
    assert five - one == pytest.approx(4 * (two - one))
    assert two > 1.4 * one
    assert operations(2, parts=2) == pytest.approx(two, rel=0.15)


@pytest.mark.full
def test_devices_share_the_operations_and_reduce_every_gradient(tiny_config):
    """With the same batch on each device the cost of a step stays (weak scaling), and its gradients travel."""
    costs = {}
    for devices in (1, 4):
        config = tiny_config("gan")
        config.num_devices, config.batch_size = devices, 64 * devices
        costs[devices], _, state = step_cost(config)
    assert costs[4].operations == pytest.approx(costs[1].operations, rel=0.02)
    gradients = sum(4 * leaf.size for name in ("g", "d") for leaf in jax.tree.leaves(state.players[name].params))
    pairs = 2 * 32 * 8 * 8 * 4  # the first reals and fakes, which are compared
    assert gradients + pairs <= costs[4].collective_bytes < gradients + pairs + 2_000  # and statistics of BatchNorm
