"""Devices: the mesh, and the placement of arrays on it.

No other file names a device. The step (`jaxgen.training.compiled_steps`) is `jit(shard_map(update))`, the construction
behind `jax.pmap`. Every device takes its share of the batch, and the recipe averages over the mesh axis. Several seeds
in one program (`config.num_seeds`) are lanes: states stacked along their first axis. A second mesh axis can spread the
lanes over devices.
"""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.ops.across_devices import shared_axis
from jaxgen.ops.random import DATA_AXIS
from jaxgen.recipes.base import Recipe

PyTree = Any
# The mesh axis over which the lanes of a run with several seeds are spread.
SEED_AXIS = "seed"
_DEVICES_FLAG = "xla_force_host_platform_device_count"


class TrainState(struct.PyTreeNode):
    """The whole training state: steps done, the run's key, and the recipe's state.

    With K lanes, `key` is [K], and every leaf of `players` has a first axis of K. All lanes share the step.
    """

    step: jax.Array
    key: jax.Array
    players: PyTree


def make_mesh(num_devices: int, *, num_seeds: int = 1, seed_devices: int = 0) -> Mesh:
    """A mesh over `num_devices` devices (0: all), whose axis "data" splits the batch.

    Args:
      num_devices: devices of all processes together.
      num_seeds: more than one adds an axis "seed" before it, which splits the lanes.
      seed_devices: size of the axis "seed". 0 takes the most that both numbers allow. Lanes need no communication,
        whereas shares of a batch meet in all-reduces. With several processes it is 1: each process needs every lane.

    Raises:
      UserError: there are fewer devices, or the lanes do not divide.
    """
    devices = jax.devices()
    if num_devices > len(devices):
        raise UserError(f"config.num_devices={num_devices}: only {len(devices)} {devices[0].platform} device(s) here")
    devices = devices[: num_devices or None]
    ways = _ways(len(devices), num_seeds, seed_devices)
    share = len(devices) // ways
    if num_seeds == 1:
        return data_mesh(devices)
    return Mesh(np.array(devices).reshape(ways, share), (SEED_AXIS, DATA_AXIS), axis_types=(AxisType.Auto,) * 2)


def _ways(devices: int, num_seeds: int, asked: int) -> int:
    """Over how many groups of devices the lanes are spread."""
    if num_seeds == 1 or (not asked and jax.process_count() > 1):
        return 1
    if asked > 1 and jax.process_count() > 1:
        raise UserError(f"config.seed_devices={asked}: each of several processes needs every seed. Set it to 1")
    if asked and (num_seeds % asked or devices % asked):
        raise UserError(
            f"config.seed_devices={asked} does not divide config.num_seeds={num_seeds} over {devices} device(s): use "
            f"{math.gcd(num_seeds, devices)}, or 0 for an automatic choice"
        )
    return asked or math.gcd(num_seeds, devices)


def flat(mesh: Mesh) -> Mesh:
    """The mesh for the views of one lane, with the axis "data" alone: the devices of a run with one seed.

    These are all devices. CPU devices made for lanes (`use_cores`) are an exception: a run of one seed has one.
    """
    if SEED_AXIS not in mesh.axis_names:
        return mesh
    return data_mesh(mesh.devices[0] if mesh.devices.flat[0].platform == "cpu" else mesh.devices.ravel())


def own(mesh: Mesh) -> Mesh:
    """The devices of a mesh that belong to this process. With one process, the whole mesh."""
    devices = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    return mesh if len(devices) == mesh.size else data_mesh(devices)


def data_mesh(devices: Sequence) -> Mesh:
    """A mesh over these devices with the axis "data" alone."""
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def use_cores(num_seeds: int, seed_devices: int) -> None:
    """Makes one CPU device for each core, as far as lanes need them. It must run before JAX is first used.

    The step of a lane is mostly too small to be split, so one device keeps one core busy. Nothing changes if the number
    of CPU devices was set by other means.
    """
    chosen = jax.config.jax_num_cpu_devices > 0 or _DEVICES_FLAG in os.environ.get("XLA_FLAGS", "")
    if not chosen:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        most = max(ways for ways in range(1, min(num_seeds, cores) + 1) if num_seeds % ways == 0)
        jax.config.update("jax_num_cpu_devices", seed_devices or most)


def data_devices(mesh: Mesh) -> int:
    """The number of devices that share a batch."""
    return mesh.shape[DATA_AXIS]


def mesh_of_others(devices: Sequence | int) -> Mesh | AbstractMesh:
    """A mesh over absent devices: those of a topology to compile for, or a number of devices to lower for."""
    if isinstance(devices, int):
        return AbstractMesh((devices,), (DATA_AXIS,), axis_types=(AxisType.Auto,))
    return data_mesh(devices)


def replicate(mesh: Mesh, tree: PyTree) -> PyTree:
    """Host arrays as device arrays. Every device of the mesh holds the whole array."""

    def put(leaf):
        return spread(mesh, P(), leaf.shape, lambda index: leaf[index])

    return jax.tree.map(put, jax.tree.map(np.asarray, tree))


def spread(mesh: Mesh, spec: P, shape: tuple[int, ...], part: Callable[[tuple], np.ndarray]) -> jax.Array:
    """An array placed on the mesh by `spec`. Each process gives `part(index)` for its own devices."""
    return jax.make_array_from_callback(shape, NamedSharding(mesh, spec), part)


def held_here(mesh: Mesh, spec: P, shape: tuple[int, ...], axis: int) -> list[int]:
    """The places along `axis` of such an array that devices of this process hold."""
    indices = NamedSharding(mesh, spec).addressable_devices_indices_map(shape).values()
    return sorted({place for index in indices for place in range(*index[axis].indices(shape[axis]))})


def on_host() -> contextlib.AbstractContextManager:
    """Inside the block, the CPU makes arrays and computes with them."""
    return jax.default_device(jax.local_devices(backend="cpu")[0])


def local(tree: PyTree) -> PyTree:
    """The replica on this process's first device, for work of a single process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def init_state(
    recipe: Recipe, mesh: Mesh, seed: int | tuple[int, ...], start: Callable | None = None, given: PyTree = None
) -> TrainState:
    """The state before the first step, the same on every device.

    Args:
      seed: several seeds are lanes. Each lane equals a run of its seed alone.
      start: `(players, given) -> players` puts given weights in place of random weights. Replaced weights are not
        computed.
      given: arrays for `start`.
    """

    init, seed = _initializer(recipe, start), np.asarray(seed, np.uint32)
    specs = _specs_by_rule(mesh, jax.eval_shape(init, seed, given), recipe.shard_optimizer)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    # It runs once, so that compiling is what takes time: half as long at this level, with values equal within rounding.
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    options = {"xla_backend_optimization_level": 1} if on_cpu else None
    return jax.jit(init, out_shardings=shardings, compiler_options=options)(seed, given)


def abstract_state(recipe: Recipe, mesh: Mesh, seed: int | tuple[int, ...]) -> TrainState:
    """Shapes and places of the state, without computing it. A checkpoint is restored into them."""
    shapes = jax.eval_shape(_initializer(recipe), np.asarray(seed, np.uint32), None)
    return _placed(mesh, shapes, _specs_by_rule(mesh, shapes, recipe.shard_optimizer))


def _initializer(recipe: Recipe, start: Callable | None = None) -> Callable:
    """`(seed, given) -> state` of `init_state`."""

    def init_seed(seed, given):
        key = jax.random.key(seed)
        players = recipe.init(jax.random.fold_in(key, 0))
        return key, start(players, given) if start else players

    def init(seed, given):
        # One lane after the other: what is drawn for one is to the bit what it draws alone.
        key, players = jax.lax.map(lambda seed: init_seed(seed, given), seed) if seed.ndim else init_seed(seed, given)
        return TrainState(jnp.zeros((), jnp.int32), key, players)

    return init


def _specs_by_rule(mesh: Mesh, shapes: TrainState, shard_optimizer: bool) -> TrainState:
    """Where each array of a state lies: lanes along the axis "seed", if there is one; optimisers' arrays shared out
    over "data" along `shared_axis`, if that is wanted; all else on every device."""
    lanes = P(SEED_AXIS) if SEED_AXIS in mesh.axis_names else P()

    def spec(path, leaf):
        axis = -1
        if shard_optimizer and any(getattr(part, "name", None) == "opt_state" for part in path):
            axis = shared_axis(leaf.shape, data_devices(mesh))
        return lanes if axis < 0 else P(*[None] * axis, DATA_AXIS)

    return TrainState(P(), lanes, jax.tree_util.tree_map_with_path(spec, shapes.players))


def specs_of(mesh: Mesh, state: TrainState) -> TrainState:
    """The place of each array of a state, by its own sharding, or by the rule for arrays without a sharding."""
    rule = _specs_by_rule(mesh, state, shard_optimizer=False)

    def own(leaf, spec):
        sharding = getattr(leaf, "sharding", None)
        return sharding.spec if isinstance(sharding, NamedSharding) else spec

    return TrainState(rule.step, rule.key, jax.tree.map(own, state.players, rule.players))


def placed_shapes(mesh: Mesh, state: TrainState) -> TrainState:
    """Shapes of the state's arrays, in their places on the mesh."""
    return _placed(mesh, state, specs_of(mesh, state))


def _placed(mesh: Mesh, state: TrainState, specs: TrainState) -> TrainState:
    def shape(leaf, spec):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))

    keys = shape(state.key, specs.key)
    return TrainState(shape(state.step, specs.step), keys, jax.tree.map(shape, state.players, specs.players))


def shapes_on(mesh: Mesh, spec: P, tree: PyTree) -> PyTree:
    """Shapes of the arrays, placed on the mesh by `spec`."""
    sharding = NamedSharding(mesh, spec)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def bytes_on_a_device(leaf: jax.Array | jax.ShapeDtypeStruct) -> int:
    """Bytes of an array, or of an array with this shape and sharding, on each of its devices."""
    sharding = getattr(leaf, "sharding", None)
    shape = leaf.shape if sharding is None else sharding.shard_shape(leaf.shape)
    return math.prod(shape) * leaf.dtype.itemsize


def describe_devices(mesh: Mesh) -> dict[str, Any]:
    """The devices of the run, for config.json and reports."""
    device = mesh.devices.flat[0]
    return {
        "platform": device.platform,
        "kind": device.device_kind,
        "count": int(mesh.size),
        "processes": jax.process_count(),
    }


def device_peak_memory_mb() -> float | None:
    """Largest memory use of any local device in MiB. None if the backend does not report it (CPU)."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    peaks = [peak for peak in peaks if peak is not None]
    return max(peaks) / 2**20 if peaks else None
