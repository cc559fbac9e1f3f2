"""Values inside `shard_map`: the mesh axes along which they vary, and arrays in shares over devices."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.ops.random import DATA_AXIS

# Numbers in a TPU's tile. Of a gather of shares that do not fill whole tiles libtpu makes an all-reduce, of twice the
# traffic (docs/evidence/scaling.md). A scatter has the same rows.
_TILE = 1024


def varying_axes(a: jax.Array) -> frozenset[str]:
    """Mesh axes along which `a` may differ between devices. Empty outside `shard_map`."""
    kind = jax.typeof(a)
    # JAX renamed `vma` to `manual_axis_type.varying` in the 0.10 series; both are in the range we support.
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma


def same_varying(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The arrays, all marked as varying over the mesh axes of any of them, as `custom_vjp` needs.

    The mark's own derivative is the sum over devices, so an operand equal on all devices still gets its whole gradient.
    """
    axes = frozenset().union(*map(varying_axes, arrays))

    def mark(a):
        missing = tuple(sorted(axes - varying_axes(a)))
        return jax.lax.pcast(a, missing, to="varying") if missing else a

    return tuple(map(mark, arrays))


def average_over_devices(tree: Any) -> Any:
    """Mean over `DATA_AXIS` of every leaf that differs between devices, in one all-reduce. Other leaves stay as is."""
    leaves, structure = jax.tree.flatten(tree)
    differ = [i for i, leaf in enumerate(leaves) if DATA_AXIS in varying_axes(leaf)]
    if not differ:  # always so on one device
        return tree
    packed = jnp.concatenate([leaves[i].astype(jnp.float32).ravel() for i in differ])
    packed = jax.lax.pmean(packed, DATA_AXIS)
    start = 0
    for i in differ:
        size = leaves[i].size
        leaves[i] = packed[start : start + size].reshape(leaves[i].shape).astype(leaves[i].dtype)
        start += size
    return jax.tree.unflatten(structure, leaves)


def shared_axis(shape: tuple[int, ...], devices: int) -> int:
    """The axis along which to divide an array: the longest axis that the number of devices divides, or -1."""
    fitting = [axis for axis, size in enumerate(shape) if size and size % devices == 0]
    return max(fitting, key=lambda axis: shape[axis], default=-1) if devices > 1 else -1


def share_of(x: jax.Array, axis: int) -> jax.Array:
    """This device's share of a whole array, or the whole array if `axis` is -1. Inside `shard_map`."""
    if axis < 0:
        return x
    size = x.shape[axis] // jax.lax.axis_size(DATA_AXIS)
    return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(DATA_AXIS) * size, size, axis)


def mean_shares(arrays: list[jax.Array], axes: list[int]) -> list[jax.Array]:
    """This device's shares of the means of arrays over devices, by one reduce-scatter. Inside `shard_map`.

    Args:
      arrays: whole arrays, different on each device. Those with axis -1 stay as they are.
      axes: the axis along which each array is divided, as `shared_axis` gives it.
    """
    shared, devices = [i for i, axis in enumerate(axes) if axis >= 0], jax.lax.axis_size(DATA_AXIS)
    if not shared:
        return arrays
    rows, shapes = [], {}
    for i in shared:
        shape, axis = arrays[i].shape, axes[i]
        shapes[i] = (*shape[:axis], shape[axis] // devices, *shape[axis + 1 :])
        parts = arrays[i].astype(jnp.float32).reshape(*shape[:axis], devices, *shapes[i][axis:])
        rows.append(jnp.moveaxis(parts, axis, 0).reshape(devices, -1))
    packed = jnp.concatenate(rows, axis=1)
    packed = jnp.pad(packed, ((0, 0), (0, -packed.shape[1] % _TILE)))
    # Of a scatter that cuts through tiles, such as one of rows, libtpu makes an all-reduce. Without the barrier it lays
    # out the rows of all devices side by side, in one tile.
    packed = jax.lax.optimization_barrier(packed.ravel()).reshape(devices, -1, _TILE)
    packed = jax.lax.psum_scatter(packed, DATA_AXIS, scatter_dimension=0).ravel() / devices
    shares, start = list(arrays), 0
    for i in shared:
        size = math.prod(shapes[i])
        shares[i] = packed[start : start + size].reshape(shapes[i]).astype(arrays[i].dtype)
        start += size
    return shares


def whole(shares: list[jax.Array], axes: list[int]) -> list[jax.Array]:
    """The whole arrays from their shares, by one all-gather. Arrays with axis -1 stay unchanged. Inside `shard_map`."""
    shared = [i for i, axis in enumerate(axes) if axis >= 0]
    if not shared:
        return shares
    packed = jnp.concatenate([shares[i].astype(jnp.float32).ravel() for i in shared])
    packed = jnp.pad(packed, (0, -packed.size % _TILE))
    packed = jax.lax.all_gather(packed, DATA_AXIS, to="invarying")
    arrays, start = list(shares), 0
    for i in shared:
        share, axis = shares[i], axes[i]
        size = math.prod(share.shape)
        parts = packed[:, start : start + size].reshape(-1, *share.shape)
        shape = (*share.shape[:axis], -1, *share.shape[axis + 1 :])
        arrays[i] = jnp.moveaxis(parts, 0, axis).reshape(shape).astype(share.dtype)
        start += size
    return arrays


def whole_batch(x: jax.Array) -> jax.Array:
    """The rows [B, ...] of all devices in the order of the global batch, from this device's. Inside `shard_map`.

    The order is that of `jaxgen.ops.random.example_ids`. Gradients flow back to every device's rows.
    """
    if jax.lax.axis_size(DATA_AXIS) == 1:
        return x
    return jax.lax.all_gather(x, DATA_AXIS, axis=1).reshape(-1, *x.shape[1:])
