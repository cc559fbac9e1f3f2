"""The training step as a program for a mesh, with lanes for several seeds: traced, lowered, compiled."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from jaxgen.devices import parallel
from jaxgen.ops.backend import compile_for
from jaxgen.ops.random import DATA_AXIS, example_ids
from jaxgen.recipes.base import Recipe, average_over_devices
from jaxgen.training.batches import Batching, DispatchData, make_batch
from jaxgen.training.operations import StepCost, cost_of

log = logging.getLogger(__name__)


class CompiledSteps(NamedTuple):
    """K training steps as one program.

    run: `(state, data) -> state, {name: [K]}`, with lanes {name: [lanes, K]}. The input state is donated.
    compile_seconds: tracing and compiling together.
    flops_per_step: operations in products per step, over all lanes and devices, on average: `step_cost`.
    flops_of_busiest_step: the same for the steps with the most work, where work is done at every k-th step only.
    collectives: all-reduces in the compiled program. Those inside its loop count once.
    """

    run: Callable
    compile_seconds: float
    flops_per_step: float
    flops_of_busiest_step: float
    collectives: int


def train_step(
    recipe: Recipe, batching: Batching, state: parallel.TrainState, data: DispatchData
) -> tuple[parallel.TrainState, dict]:
    """One update of the recipe on this device's share of the batch. Inside `shard_map` over the mesh."""
    key = jax.random.fold_in(state.key, 1)
    count = batching.examples // jax.lax.axis_size(DATA_AXIS)
    batch = make_batch(batching, key, state.step, example_ids(count), data)
    players, metrics = recipe.update(
        state.players, batch, jax.random.fold_in(jax.random.fold_in(state.key, 2), state.step), state.step
    )
    return parallel.TrainState(state.step + 1, state.key, players), average_over_devices(metrics)


def over_lanes(run: Callable, mapped: bool) -> Callable:
    """`run`, made for the state of one seed, for the state of several. They share the step. All else has lanes.

    Args:
      run: `(state, data) -> state, metrics`.
      mapped: runs the lanes one after the other, each over all steps of the dispatch, not in one batched program.
    """

    def together(state, data):
        def one_lane(key, players):
            after, metrics = run(parallel.TrainState(state.step, key, players), data)
            return after.step, after.players, metrics

        if mapped:
            step, players, metrics = jax.lax.map(lambda lane: one_lane(*lane), (state.key, state.players))
            step = step[0]
        else:
            step, players, metrics = jax.vmap(one_lane, out_axes=(None, 0, 0))(state.key, state.players)
        return parallel.TrainState(step, state.key, players), metrics

    return together


def lanes_one_by_one(state: parallel.TrainState) -> bool:
    """Whether lanes train better one after the other (`config.seed_program="auto"`).

    On a CPU a batched program is no faster: a core computes as much, out of smaller caches. One after the other, each
    lane equals its solo run bit by bit. Convolutions batched over kernels are grouped convolutions, which are slow on
    most backends.
    """
    convolutions = any(leaf.ndim == 5 for leaf in jax.tree.leaves(state.players))  # kernels, with the lanes' axis
    return convolutions or jax.default_backend() == "cpu"


def lower_steps(
    recipe: Recipe,
    batching: Batching,
    mesh: Mesh,
    state: parallel.TrainState,
    data: DispatchData,
    *,
    steps: int,
    unroll: int = 1,
    mapped: bool = False,
) -> jax.stages.Lowered:
    """`steps` training steps as one program for the mesh, `(state, data) -> state, metrics`, not yet compiled.

    The program depends on the arrays' shapes alone, so a fresh and a restored state get the same program.

    Args:
      recipe: the recipe of the step.
      batching: sizes and options of batches.
      mesh: from `make_mesh`, or made of absent devices.
      state, data: concrete or abstract arrays. They define the placement on the mesh.
      steps: K.
      unroll: copies of the step in the loop's body.
      mapped: for lanes, see `over_lanes`.
    """

    def run(state, data):
        def body(state, taken):
            return train_step(recipe, batching, state, data.of_step(taken))

        return jax.lax.scan(body, state, data.each_step, length=steps, unroll=min(unroll, steps))

    run = over_lanes(run, mapped) if parallel.SEED_AXIS in mesh.axis_names else run
    shapes = parallel.placed_shapes(mesh, state), parallel.shapes_on(mesh, data.spec, data)
    return jax.jit(_on_each_device(run, mesh, state, data), donate_argnums=0).lower(*shapes)


def _on_each_device(run: Callable, mesh: Mesh, state: parallel.TrainState, data: DispatchData) -> Callable:
    where = parallel.specs_of(mesh, state)
    # On one device nothing differs between devices; without the types that say so XLA keeps no idle all-reduces.
    return jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(where, data.spec),
        out_specs=(where, where.key),  # metrics have lanes where the keys have them
        check_vma=parallel.data_devices(mesh) > 1,
    )


def compile_steps(
    recipe: Recipe,
    batching: Batching,
    mesh: Mesh,
    state: parallel.TrainState,
    data: DispatchData,
    *,
    steps: int,
    seed_program: str = "auto",
    **options,
) -> CompiledSteps:
    """Compiles `steps` training steps into one program for the mesh. See `lower_steps`, and `config.seed_program`."""
    lanes = 1
    if parallel.SEED_AXIS in mesh.axis_names:
        lanes = state.key.shape[0]
        options["mapped"] = lanes_one_by_one(state) if seed_program == "auto" else seed_program == "map"
        how = "one after the other" if options["mapped"] else "in one batched program"
        log.info("%d seeds over %s, %s", lanes, dict(mesh.shape), how)
    log.info("compiling %d steps for %d device(s) ...", steps, mesh.size)
    cost, copies = step_cost(recipe, batching, mesh, state, data), parallel.data_devices(mesh) * lanes
    start = time.perf_counter()
    compiled = lower_steps(recipe, batching, mesh, state, data, steps=steps, **options).compile()
    seconds = time.perf_counter() - start
    text = compiled.as_text()
    collectives = text.count(" all-reduce(") + text.count(" all-reduce-start(")
    return CompiledSteps(compiled, seconds, cost.operations * copies, cost.busiest_operations * copies, collectives)


def abstract_step(
    recipe: Recipe, batching: Batching, mesh: Mesh, state: parallel.TrainState, data: DispatchData
) -> Callable:
    """One step on every device of the mesh, `(state, data) -> state, metrics`, to be traced.

    state, data: arrays that define the placement.
    """

    def step(state, data):
        taken = jax.tree.map(lambda of_steps: of_steps[0], data.each_step)
        return train_step(recipe, batching, state, data.of_step(taken))

    return _on_each_device(step, mesh, state, data)


def step_cost(
    recipe: Recipe, batching: Batching, mesh: Mesh, state: parallel.TrainState, data: DispatchData
) -> StepCost:
    """The cost of one step on each device (`jaxgen.training.operations`), with plain convolutions on every platform.

    With lanes, it is the cost of a step of one lane.
    """
    if parallel.SEED_AXIS in mesh.axis_names:
        mesh = parallel.mesh_of_others(parallel.data_devices(mesh))
        lane = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (state.key, state.players))
        state = parallel.TrainState(state.step, *lane)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (state, data))
    with compile_for("tpu"):  # the CPU's own forms of convolutions multiply less
        step = abstract_step(recipe, batching, mesh, state, data)
        return cost_of(step, *shapes, step=lambda arguments: arguments[0].step)
