import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.data.order import shuffled_index

KEY = jax.random.key(7)
index = jax.jit(shuffled_index, static_argnums=2)


def epochs(n, count, key=KEY):
    return np.asarray(index(key, jnp.arange(count * n), n)).reshape(count, n)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 1797, 60000])
def test_every_epoch_is_a_permutation(n):
    order = epochs(n, 3)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(n), (3, 1)))


@pytest.mark.parametrize("n", [97, 1797])
def test_epochs_and_keys_have_orders_of_their_own(n):
    order, other = epochs(n, 50), epochs(n, 50, jax.random.key(8))
    # Two random orders agree in one place on average.
    for a, b in ((order[1:], order[:-1]), (order, other)):
        assert abs((a == b).sum(1).mean() - 1) < 0.75
    identity = (order == np.arange(n)).sum(1).mean()
    assert abs(identity - 1) < 0.75


def chi_square_z(counts, expected, freedom):
    """Standard scores of Pearson's statistic; beyond 5 means not uniform."""
    return (((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 17])
def test_each_index_visits_each_place_equally_often(n):
    count = 4000
    order = epochs(n, count)
    counts = np.stack([(order == i).sum(0) for i in range(n)])
    # n * n counts with all row and column sums fixed.
    statistic = chi_square_z(counts, count / n, (n - 1) ** 2) * (n - 1) / n
    assert abs(statistic) < 5


@pytest.mark.parametrize("n", [3, 5, 10, 17])
def test_neighbours_are_not_kept_together(n):
    count = 4000
    order = epochs(n, count)
    pairs = np.zeros((n, n))
    np.add.at(pairs, (order[:, :-1], order[:, 1:]), 1)
    apart = pairs[~np.eye(n, dtype=bool)]
    assert abs(chi_square_z(apart, count / n, n * (n - 1))) < 5


def test_distance_of_neighbours_in_a_large_set():
    order = epochs(60000, 1)[0].astype(np.int64)
    # |difference| of two independent places has mean n/3 and standard deviation n/sqrt(18).
    error = 60000 / math.sqrt(18) / math.sqrt(60000)
    assert abs(np.abs(np.diff(order)).mean() - 20000) < 5 * error
    assert abs(np.abs(np.diff(np.argsort(order))).mean() - 20000) < 5 * error


def test_the_statistics_can_fail():
    rolled = np.stack([np.roll(np.arange(10), i) for i in range(4000)])
    pairs = np.zeros((10, 10))
    np.add.at(pairs, (rolled[:, :-1], rolled[:, 1:]), 1)
    assert chi_square_z(pairs[~np.eye(10, dtype=bool)], 400, 90) > 5


def test_a_batch_that_spans_epochs_and_any_shape():
    order = epochs(10, 4).ravel()
    np.testing.assert_array_equal(index(KEY, jnp.arange(7, 23), 10), order[7:23])
    np.testing.assert_array_equal(index(KEY, jnp.arange(40).reshape(4, 2, 5), 10).ravel(), order)
    assert int(index(KEY, jnp.int32(13), 10)) == order[13]


def test_the_largest_set():
    n = 2**31 - 1
    order = np.asarray(index(KEY, jnp.arange(1000, dtype=jnp.uint32) + jnp.uint32(n - 500), n))
    assert len(set(order.tolist())) == 1000
    assert order.min() >= 0


def test_inside_scan_and_shard_map():
    mesh = jax.make_mesh((1,), ("data",))
    n, batch_size, steps = 97, 8, 30

    @jax.jit
    @functools.partial(jax.shard_map, mesh=mesh, in_specs=(P(), P()), out_specs=P(None, "data"))
    def run(key, first):
        ids = jax.lax.axis_index("data") * batch_size + jnp.arange(batch_size)

        def body(step, _):
            return step + 1, shuffled_index(key, step * batch_size + ids, n)

        return jax.lax.scan(body, first, None, length=steps)[1]

    expected = index(KEY, 5 * batch_size + jnp.arange(steps * batch_size), n).reshape(steps, batch_size)
    np.testing.assert_array_equal(run(KEY, jnp.int32(5)), expected)


def test_position_may_be_the_same_on_all_devices_while_the_key_differs():
    mesh = jax.make_mesh((1,), ("data",))

    @jax.jit
    @functools.partial(jax.shard_map, mesh=mesh, in_specs=(P(), P()), out_specs=P("data"))
    def run(key, position):
        return shuffled_index(jax.random.fold_in(key, jax.lax.axis_index("data")), position, 97)

    expected = index(jax.random.fold_in(KEY, 0), jnp.arange(8), 97)
    np.testing.assert_array_equal(run(KEY, jnp.arange(8)), expected)


def test_under_vmap_over_seeds():
    keys = jax.random.split(KEY, 3)
    together = jax.vmap(lambda key: shuffled_index(key, jnp.arange(40), 10))(keys)
    for key, row in zip(keys, together, strict=True):
        np.testing.assert_array_equal(row, index(key, jnp.arange(40), 10))
