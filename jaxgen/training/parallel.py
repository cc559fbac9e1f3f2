"""Devices and processes: the mesh, what lies where, and the step compiled for all of them.

No other file names a device. The step is what `jax.pmap` is made of, `jit(shard_map(update))`: every device takes its
share of the batch, and the recipe averages over the mesh axis.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.experimental import multihost_utils
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.errors import UserError
from jaxgen.ops.backend import compile_for
from jaxgen.ops.random import DATA_AXIS, example_ids
from jaxgen.recipes.base import Recipe, average_over_devices
from jaxgen.training.batches import Feed, sample_batch
from jaxgen.training.operations import Cost, cost_of

PyTree = Any


class TrainState(struct.PyTreeNode):
    """Everything that training goes on from: steps done, the run's key, and the recipe's state."""

    step: jax.Array
    key: jax.Array
    players: PyTree


class CompiledSteps(NamedTuple):
    """K training steps as one program.

    run: `(state, images, labels) -> state, {name: [K]}`; the state that went in is gone (donated).
    compile_seconds: tracing and compiling together.
    flops_per_step: operations of one step on all devices in products, on average: `step_cost`.
    collectives: all-reduces in the compiled program (those inside its loop counted once).
    """

    run: Callable
    compile_seconds: float
    flops_per_step: float
    collectives: int


def start_processes(coordinator_address: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process to the others of a run; cluster managers that JAX knows need no arguments."""
    jax.distributed.initialize(coordinator_address, num_processes, process_id)


def is_primary() -> bool:
    """Whether this process writes the logs and pictures."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Returns when every process is here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def anywhere(flag: bool) -> bool:
    """Whether `flag` is true in any process, so that all of them decide alike."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def make_mesh(num_devices: int, batch_size: int) -> Mesh:
    """A mesh over `num_devices` devices (0: all) whose one axis splits the batch.

    Raises:
      UserError: more devices asked for than there are, or a batch that does not divide.
    """
    devices = jax.devices()
    if num_devices > len(devices):
        raise UserError(f"config.num_devices={num_devices}: only {len(devices)} {devices[0].platform} device(s) here")
    devices = devices[: num_devices or None]
    if batch_size % len(devices):
        fits = batch_size - batch_size % len(devices) or len(devices)
        raise UserError(
            f"config.batch_size={batch_size} does not divide over {len(devices)} devices: use {fits}, "
            "or set config.num_devices"
        )
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def mesh_of_others(devices: Sequence | int) -> Mesh | AbstractMesh:
    """A mesh over devices that are not here: of a topology to compile for, or just so many to lower for."""
    if isinstance(devices, int):
        return AbstractMesh((devices,), (DATA_AXIS,), axis_types=(AxisType.Auto,))
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def replicate(mesh: Mesh, tree: PyTree) -> PyTree:
    """Host arrays as device arrays that every device of the mesh holds whole."""
    sharding = NamedSharding(mesh, P())

    def put(leaf):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(put, tree)


def local(tree: PyTree) -> PyTree:
    """The replica on this process's first device, for work that a process does by itself (pictures, evaluation)."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def viewable(state: PyTree) -> PyTree:
    """The state as this process alone can compute with it: whole, or the local replica if there are other processes."""
    return state if jax.process_count() == 1 else local(state)


def place(mesh: Mesh, batch: np.ndarray) -> jax.Array:
    """A host batch spread over the mesh along its first axis; whole on one device if it does not divide.

    With several processes each works by itself, on its first device.
    """
    if jax.process_count() > 1 or mesh.size == 1 or len(batch) % mesh.size:
        return jnp.asarray(batch)
    return jax.device_put(batch, NamedSharding(mesh, P(DATA_AXIS)))


def init_state(
    recipe: Recipe, mesh: Mesh, seed: int, start: Callable | None = None, given: PyTree = None
) -> TrainState:
    """The state before the first step, the same on every device.

    Args:
      start: `(players, given) -> players`, which puts weights that are there already in the place of random ones; what
        it replaces is not computed.
      given: arrays for `start`.
    """

    def init(seed, given):
        key = jax.random.key(seed)
        players = recipe.init(jax.random.fold_in(key, 0))
        return TrainState(jnp.zeros((), jnp.int32), key, start(players, given) if start else players)

    return jax.jit(init, out_shardings=NamedSharding(mesh, P()))(np.uint32(seed), given)


def abstract_state(recipe: Recipe, mesh: Mesh, seed: int) -> TrainState:
    """Shapes and places of the state, without computing it: what a checkpoint is restored into."""
    return _replicated_shapes(mesh, jax.eval_shape(lambda: init_state(recipe, mesh, seed)))


def _replicated_shapes(mesh: Mesh, tree: PyTree) -> PyTree:
    sharding = NamedSharding(mesh, P())
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def train_step(recipe: Recipe, feed: Feed, state: TrainState, images, labels) -> tuple[TrainState, dict]:
    """One update of the recipe on this device's share of the batch; inside `shard_map` over the mesh."""
    key = jax.random.fold_in(state.key, 1)
    count = feed.examples // jax.lax.axis_size(DATA_AXIS)
    batch = sample_batch(feed, key, state.step, example_ids(count), images, labels)
    players, metrics = recipe.update(
        state.players, batch, jax.random.fold_in(jax.random.fold_in(state.key, 2), state.step), state.step
    )
    return TrainState(state.step + 1, state.key, players), average_over_devices(metrics)


def lower_steps(
    recipe: Recipe, feed: Feed, mesh: Mesh, state: TrainState, images, labels, *, steps: int, unroll: int = 1
) -> jax.stages.Lowered:
    """`steps` training steps as one program for the mesh, `state, images, labels -> state, metrics`, not compiled yet.

    Args:
      recipe: what a step does.
      feed: how batches are drawn.
      mesh: from `make_mesh`, or of devices that are not here.
      state: concrete or abstract; its shapes count, so that a fresh and a restored state get the same program.
      images: [N, H, W, C] uint8, on every device; or its shape.
      labels: [N] int32, or None.
      steps: K.
      unroll: copies of the step in the loop's body.
    """

    def run(state, images, labels):
        def body(state, _):
            return train_step(recipe, feed, state, images, labels)

        return jax.lax.scan(body, state, None, length=steps, unroll=min(unroll, steps))

    return jax.jit(_on_each_device(run, mesh), donate_argnums=0).lower(
        *_replicated_shapes(mesh, (state, images, labels))
    )


def _on_each_device(run: Callable, mesh: Mesh) -> Callable:
    # On one device nothing differs between devices; without the types that say so XLA keeps no idle all-reduces.
    return jax.shard_map(run, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=mesh.size > 1)


def compile_steps(
    recipe: Recipe, feed: Feed, mesh: Mesh, state: TrainState, images, labels, *, steps: int, unroll: int = 1
) -> CompiledSteps:
    """Compiles `steps` training steps into one program for the mesh; see `lower_steps`."""
    operations = step_cost(recipe, feed, mesh, state, images, labels).operations * mesh.size
    start = time.perf_counter()
    compiled = lower_steps(recipe, feed, mesh, state, images, labels, steps=steps, unroll=unroll).compile()
    seconds = time.perf_counter() - start
    text = compiled.as_text()
    collectives = text.count(" all-reduce(") + text.count(" all-reduce-start(")
    return CompiledSteps(compiled, seconds, operations, collectives)


def abstract_step(recipe: Recipe, feed: Feed, mesh) -> Callable:
    """One step on every device of the mesh, `state, images, labels -> state, metrics`, to be traced."""
    return _on_each_device(lambda state, images, labels: train_step(recipe, feed, state, images, labels), mesh)


def step_cost(recipe: Recipe, feed: Feed, mesh: Mesh, state: TrainState, images, labels) -> Cost:
    """What one step costs each device, `jaxgen.training.operations`; with plain convolutions on every platform."""
    arguments = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (state, images, labels))
    with compile_for("tpu"):  # the CPU's own forms of convolutions multiply less
        return cost_of(abstract_step(recipe, feed, mesh), *arguments, step=lambda arguments: arguments[0].step)


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


def share(values: dict[str, float]) -> dict[str, float]:
    """The primary process's numbers, in every process; the others pass any dict."""
    if jax.process_count() == 1:
        return values
    # Names differ in length from run to run: a fixed-size byte buffer carries them.
    buffer = np.zeros(4096, np.uint8)
    if is_primary():
        data = np.frombuffer(json.dumps(values).encode(), np.uint8)
        buffer[: len(data)] = data
    shared = multihost_utils.broadcast_one_to_all(buffer)
    return json.loads(bytes(shared).rstrip(b"\0").decode())
