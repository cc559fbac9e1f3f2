"""Devices: the mesh, and what lies where on it.

No other file names a device. The step (`jaxgen.training.compiled_steps`) is what `jax.pmap` is made of,
`jit(shard_map(update))`: every device takes its share of the batch, and the recipe averages over the mesh axis. Several
seeds in one program (`config.num_seeds`) are lanes: states stacked along their first axis, which a second mesh axis can
spread over devices.
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
    """Everything that training goes on from: steps done, the run's key, and the recipe's state.

    Of K lanes: `key` [K], and every leaf of `players` with a first axis of K; the step is that of all.
    """

    step: jax.Array
    key: jax.Array
    players: PyTree


def make_mesh(num_devices: int, *, num_seeds: int = 1, seed_devices: int = 0) -> Mesh:
    """A mesh over `num_devices` devices (0: all) whose axis "data" splits the batch.

    Args:
      num_devices: of all processes together.
      num_seeds: with more than one the mesh has an axis "seed" before it, which splits the lanes.
      seed_devices: how many ways it splits them. 0: as many as both numbers allow, since lanes have nothing to tell
        each other, whereas the shares of a batch meet in all-reduces; 1 with several processes, each of which needs
        every lane.

    Raises:
      UserError: more devices asked for than there are, or lanes that do not divide.
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
        raise UserError(f"config.seed_devices={asked}: each of several processes needs every seed; set it to 1")
    if asked and (num_seeds % asked or devices % asked):
        raise UserError(
            f"config.seed_devices={asked} does not divide config.num_seeds={num_seeds} over {devices} device(s): use "
            f"{math.gcd(num_seeds, devices)}, or 0 to have it chosen"
        )
    return asked or math.gcd(num_seeds, devices)


def flat(mesh: Mesh) -> Mesh:
    """Where one lane is looked at, with the axis "data" alone: the devices of a run with one seed.

    Those are all devices; but CPUs that are there for lanes (`use_cores`) are one to a run by itself.
    """
    if SEED_AXIS not in mesh.axis_names:
        return mesh
    return data_mesh(mesh.devices[0] if mesh.devices.flat[0].platform == "cpu" else mesh.devices.ravel())


def own(mesh: Mesh) -> Mesh:
    """The part of a mesh that this process has by itself: all of it where there is only one process."""
    devices = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    return mesh if len(devices) == mesh.size else data_mesh(devices)


def data_mesh(devices: Sequence) -> Mesh:
    """A mesh over these devices with the axis "data" alone."""
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def use_cores(num_seeds: int, seed_devices: int) -> None:
    """Makes as many devices of the CPU as it has cores for lanes; before JAX is first used.

    A lane's step is mostly too small to be split, so that one device keeps one core busy. Nothing is changed where the
    number of CPU devices was chosen by other means.
    """
    chosen = jax.config.jax_num_cpu_devices > 0 or _DEVICES_FLAG in os.environ.get("XLA_FLAGS", "")
    if not chosen:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        most = max(ways for ways in range(1, min(num_seeds, cores) + 1) if num_seeds % ways == 0)
        jax.config.update("jax_num_cpu_devices", seed_devices or most)


def data_devices(mesh: Mesh) -> int:
    """Devices that share a batch."""
    return mesh.shape[DATA_AXIS]


def mesh_of_others(devices: Sequence | int) -> Mesh | AbstractMesh:
    """A mesh over devices that are not here: of a topology to compile for, or just so many to lower for."""
    if isinstance(devices, int):
        return AbstractMesh((devices,), (DATA_AXIS,), axis_types=(AxisType.Auto,))
    return data_mesh(devices)


def replicate(mesh: Mesh, tree: PyTree) -> PyTree:
    """Host arrays as device arrays that every device of the mesh holds whole."""

    def put(leaf):
        return spread(mesh, P(), leaf.shape, lambda index: leaf[index])

    return jax.tree.map(put, jax.tree.map(np.asarray, tree))


def spread(mesh: Mesh, spec: P, shape: tuple[int, ...], part: Callable[[tuple], np.ndarray]) -> jax.Array:
    """An array that lies on the mesh as `spec` says, each process giving `part(index)` for its own devices."""
    return jax.make_array_from_callback(shape, NamedSharding(mesh, spec), part)


def held_here(mesh: Mesh, spec: P, shape: tuple[int, ...], axis: int) -> list[int]:
    """Which places along `axis` of such an array the devices of this process hold."""
    indices = NamedSharding(mesh, spec).addressable_devices_indices_map(shape).values()
    return sorted({place for index in indices for place in range(*index[axis].indices(shape[axis]))})


def on_host() -> contextlib.AbstractContextManager:
    """Within it arrays are made and computed with by the CPU."""
    return jax.default_device(jax.local_devices(backend="cpu")[0])


def local(tree: PyTree) -> PyTree:
    """The replica on this process's first device, for work that a process does by itself."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def init_state(
    recipe: Recipe, mesh: Mesh, seed: int | tuple[int, ...], start: Callable | None = None, given: PyTree = None
) -> TrainState:
    """The state before the first step, the same on every device.

    Args:
      seed: several are lanes; each is what it would be alone.
      start: `(players, given) -> players`, which puts weights that are there already in the place of random ones; what
        it replaces is not computed.
      given: arrays for `start`.
    """

    def init_seed(seed, given):
        key = jax.random.key(seed)
        players = recipe.init(jax.random.fold_in(key, 0))
        return key, start(players, given) if start else players

    def init(seed, given):
        # One lane after the other: what is drawn for one is to the bit what it draws alone.
        key, players = jax.lax.map(lambda seed: init_seed(seed, given), seed) if seed.ndim else init_seed(seed, given)
        return TrainState(jnp.zeros((), jnp.int32), key, players)

    seed = np.asarray(seed, np.uint32)
    specs = _specs_by_rule(mesh, jax.eval_shape(init, seed, given), recipe.shard_optimizer)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    return jax.jit(init, out_shardings=shardings)(seed, given)


def abstract_state(recipe: Recipe, mesh: Mesh, seed: int | tuple[int, ...]) -> TrainState:
    """Shapes and places of the state, without computing it: what a checkpoint is restored into."""
    shapes = jax.eval_shape(lambda: init_state(recipe, mesh, seed))
    return _placed(mesh, shapes, _specs_by_rule(mesh, shapes, recipe.shard_optimizer))


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
    """Where each array of a state lies by its own sharding, or by the rule for one that says nothing of it."""
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
    """Shapes of the arrays, lying on the mesh as `spec` says."""
    sharding = NamedSharding(mesh, spec)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def bytes_on_a_device(leaf: jax.Array | jax.ShapeDtypeStruct) -> int:
    """What an array, or one of this shape and sharding, takes on each of its devices."""
    sharding = getattr(leaf, "sharding", None)
    shape = leaf.shape if sharding is None else sharding.shard_shape(leaf.shape)
    return math.prod(shape) * leaf.dtype.itemsize


def describe_devices(mesh: Mesh) -> dict[str, Any]:
    """What the run ran on, for config.json and reports."""
    device = mesh.devices.flat[0]
    return {
        "platform": device.platform,
        "kind": device.device_kind,
        "count": int(mesh.size),
        "processes": jax.process_count(),
    }


def device_peak_memory_mb() -> float | None:
    """Largest memory use of any local device in MiB; None where the backend does not tell (CPU)."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    peaks = [peak for peak in peaks if peak is not None]
    return max(peaks) / 2**20 if peaks else None
