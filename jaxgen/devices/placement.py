"""Places the state for views. Each process computes views alone, on all its own devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.devices import parallel
from jaxgen.ops.random import DATA_AXIS

PyTree = Any


def without_optimizers(players: PyTree) -> PyTree:
    """Players without the state of their optimisers."""

    def bare(node):
        return node.replace(opt_state=()) if hasattr(node, "opt_state") else node

    return jax.tree.map(bare, players, is_leaf=lambda node: hasattr(node, "opt_state"))


def viewable(players: PyTree) -> PyTree:
    """Players placed whole on all devices of this process, for views. No other process takes part.

    With several processes, the optimiser's state is left out: no view needs it, and it may be spread over them.
    """
    if jax.process_count() == 1:
        return players

    def here(leaf):
        if leaf.is_fully_addressable:
            return leaf
        sharding = NamedSharding(parallel.own(leaf.sharding.mesh), P())
        parts = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, sharding, parts)

    return jax.tree.map(here, without_optimizers(players))


def place(mesh: jax.sharding.Mesh, batch: np.ndarray) -> jax.Array:
    """A host batch spread along its first axis over this process's devices of the mesh.

    If it does not divide, one device holds the whole batch.
    """
    mesh = parallel.own(mesh)
    if mesh.size == 1 or len(batch) % mesh.size:
        return jnp.asarray(batch)
    return jax.device_put(batch, NamedSharding(mesh, P(DATA_AXIS)))


def lane(mesh: jax.sharding.Mesh, players: PyTree, index: int) -> PyTree:
    """The players of one lane, on the devices of `parallel.flat(mesh)`, as in a run with one seed.

    With several processes it works like `viewable`.
    """
    if jax.process_count() > 1:
        return _pick(viewable(players), index)
    groups = mesh.devices.reshape(mesh.shape.get(parallel.SEED_AXIS, 1), -1)
    lanes = jax.tree.leaves(players)[0].shape[0] // len(groups)
    group, index = divmod(index, lanes)

    def lies_there(leaf):
        return next(shard.data for shard in leaf.addressable_shards if shard.device == groups[group, 0])

    own_players = _pick(jax.tree.map(lies_there, players), index)
    return jax.device_put(own_players, NamedSharding(parallel.flat(mesh), P()))


@jax.jit
def _pick(tree: PyTree, index: int) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), tree)
