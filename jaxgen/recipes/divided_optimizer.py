"""An optimiser whose state is divided over devices (`config.shard_optimizer`): each device updates its own share."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgen.ops.across_devices import average_over_devices, mean_shares, share_of, shared_axis, whole
from jaxgen.ops.random import DATA_AXIS


def shared_axes(tx: optax.GradientTransformation, player: Any) -> list[int]:
    """For each array of parameters the axis along which devices share the optimiser's state, -1 for none.

    player: a `jaxgen.recipes.base.Player`.
    """
    leaves, devices = jax.tree.leaves(player.params), jax.lax.axis_size(DATA_AXIS)
    complete = jax.tree.leaves(jax.eval_shape(tx.init, player.params))
    if all(a.shape == b.shape for a, b in zip(complete, jax.tree.leaves(player.opt_state), strict=True)):
        return [-1] * len(leaves)
    return [shared_axis(leaf.shape, devices) for leaf in leaves]


def update(
    tx: optax.GradientTransformation, player: Any, axes: list[int], means: tuple, stats: Any
) -> tuple[Any, Any, dict, Any, Any]:
    """Updates, the optimiser's state, metrics, averages and statistics, where devices share the optimiser's state.

    Each device gets the mean gradient of its own share only, by one reduce-scatter. It computes the updates of its
    share, and all devices exchange updates (stages 1 and 2 of ZeRO, Rajbhandari et al. 2020). This suits element-wise
    transformations only.
    """
    grads, metrics, averages = means
    leaves, structure = jax.tree.flatten(grads)
    shares, common = mean_shares(leaves, axes), [leaf for leaf, axis in zip(leaves, axes, strict=True) if axis < 0]
    (common, metrics, averages), stats = average_over_devices(((common, metrics, averages), stats))
    whole_ones = iter(common)
    leaves = [share if axis >= 0 else next(whole_ones) for share, axis in zip(shares, axes, strict=True)]
    squares = [jnp.sum(jnp.square(leaf)) for leaf, axis in zip(leaves, axes, strict=True) if axis >= 0]
    metrics["grad_norm"] = jnp.sqrt(jax.lax.psum(sum(squares), DATA_AXIS) + optax.tree.norm(common, squared=True))
    mine = [share_of(leaf, axis) for leaf, axis in zip(jax.tree.leaves(player.params), axes, strict=True)]
    updates, opt_state = tx.update(
        jax.tree.unflatten(structure, leaves), player.opt_state, jax.tree.unflatten(structure, mine)
    )
    updates = jax.tree.unflatten(structure, whole(jax.tree.leaves(updates), axes))
    return updates, opt_state, metrics, averages, stats
