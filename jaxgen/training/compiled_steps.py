"""The training step as a program for a mesh, with lanes where there are several seeds: traced, lowered, compiled."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxgen.devices import parallel
from jaxgen.ops.backend import compile_for
from jaxgen.ops.random import DATA_AXIS, example_ids
from jaxgen.recipes.base import Recipe, average_over_devices
from jaxgen.training.batches import Feed, sample_batch
from jaxgen.training.operations import Cost, cost_of


class CompiledSteps(NamedTuple):
    """K training steps as one program.

    run: `(state, images, labels) -> state, {name: [K]}`, of lanes {name: [lanes, K]}; the state that went in is gone
      (donated).
    compile_seconds: tracing and compiling together.
    flops_per_step: operations of one step of all lanes on all devices in products, on average: `step_cost`.
    collectives: all-reduces in the compiled program (those inside its loop counted once).
    """

    run: Callable
    compile_seconds: float
    flops_per_step: float
    collectives: int


def train_step(
    recipe: Recipe, feed: Feed, state: parallel.TrainState, images, labels
) -> tuple[parallel.TrainState, dict]:
    """One update of the recipe on this device's share of the batch; inside `shard_map` over the mesh."""
    key = jax.random.fold_in(state.key, 1)
    count = feed.examples // jax.lax.axis_size(DATA_AXIS)
    batch = sample_batch(feed, key, state.step, example_ids(count), images, labels)
    players, metrics = recipe.update(
        state.players, batch, jax.random.fold_in(jax.random.fold_in(state.key, 2), state.step), state.step
    )
    return parallel.TrainState(state.step + 1, state.key, players), average_over_devices(metrics)


def over_lanes(run: Callable, mapped: bool) -> Callable:
    """`run`, made for the state of one seed, for that of several: the step is shared, the rest has lanes.

    Args:
      run: `(state, images, labels) -> state, metrics`.
      mapped: the lanes one after the other, each over all steps of the dispatch, instead of one batched program.
    """

    def together(state, images, labels):
        def one(key, players):
            after, metrics = run(parallel.TrainState(state.step, key, players), images, labels)
            return after.step, after.players, metrics

        if mapped:
            step, players, metrics = jax.lax.map(lambda lane: one(*lane), (state.key, state.players))
            step = step[0]
        else:
            step, players, metrics = jax.vmap(one, out_axes=(None, 0, 0))(state.key, state.players)
        return parallel.TrainState(step, state.key, players), metrics

    return together


def lanes_one_by_one(state: parallel.TrainState) -> bool:
    """Whether lanes are better trained one after the other (`config.seed_program="auto"`).

    On a CPU a batched program is no faster (a core computes as much, out of smaller caches), and one by one each lane
    is its solo run to the bit. Convolutions batched over kernels are grouped convolutions, which few backends run well.
    """
    convolutions = any(leaf.ndim == 5 for leaf in jax.tree.leaves(state.players))  # kernels, with the lanes' axis
    return convolutions or jax.default_backend() == "cpu"


def lower_steps(
    recipe: Recipe,
    feed: Feed,
    mesh: Mesh,
    state: parallel.TrainState,
    images,
    labels,
    *,
    steps: int,
    unroll: int = 1,
    mapped: bool = False,
) -> jax.stages.Lowered:
    """`steps` training steps as one program for the mesh, `state, images, labels -> state, metrics`, not compiled yet.

    Args:
      recipe: what a step does.
      feed: how batches are drawn.
      mesh: from `make_mesh`, or of devices that are not here.
      state: concrete or abstract; its shapes count, so that a fresh and a restored state get the same program.
      images: [N, H, W, C] uint8 or rows of them, on every device; or its shape. With `feed.streamed`
        [K, batches, parts, examples, H * W * C], spread over the devices along `examples`.
      labels: [N] (or [K, batches, parts, examples]) int32, or None.
      steps: K.
      unroll: copies of the step in the loop's body.
      mapped: of lanes, see `over_lanes`.
    """
    placed = parallel.shapes_on(mesh, given_as(feed), (images, labels))
    arguments = (parallel.placed_shapes(mesh, state), *placed)
    where = parallel.specs_of(mesh, state)
    return jax.jit(program(recipe, feed, mesh, where, steps, unroll, mapped), donate_argnums=0).lower(*arguments)


def program(
    recipe: Recipe,
    feed: Feed,
    mesh: Mesh,
    where: parallel.TrainState,
    steps: int,
    unroll: int = 1,
    mapped: bool = False,
) -> Callable:
    """What `lower_steps` lowers: `(state, images, labels) -> state, metrics`; where: `parallel.specs_of`."""

    def run(state, images, labels):
        def body(state, of_step):
            return train_step(recipe, feed, state, *(of_step or (images, labels)))

        of_steps = (images, labels) if feed.streamed else None
        return jax.lax.scan(body, state, of_steps, length=steps, unroll=min(unroll, steps))

    run = over_lanes(run, mapped) if parallel.SEED_AXIS in mesh.axis_names else run
    return _on_each_device(run, mesh, where, given_as(feed))


def given_as(feed: Feed) -> P:
    """How images and labels lie on the mesh: whole on every device; streamed, each device has its own examples."""
    return P(None, None, None, DATA_AXIS) if feed.streamed else P()


def _on_each_device(run: Callable, mesh: Mesh, where: parallel.TrainState, given: P) -> Callable:
    metrics = where.key  # with lanes where the keys have them
    # On one device nothing differs between devices; without the types that say so XLA keeps no idle all-reduces.
    return jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(where, given, given),
        out_specs=(where, metrics),
        check_vma=parallel.data_devices(mesh) > 1,
    )


def compile_steps(
    recipe: Recipe, feed: Feed, mesh: Mesh, state: parallel.TrainState, images, labels, **options
) -> CompiledSteps:
    """Compiles `steps` training steps into one program for the mesh; see `lower_steps`."""
    operations = step_cost(recipe, feed, mesh, state, images, labels).operations * parallel.data_devices(mesh)
    if parallel.SEED_AXIS in mesh.axis_names:
        operations *= state.key.shape[0]
    start = time.perf_counter()
    compiled = lower_steps(recipe, feed, mesh, state, images, labels, **options).compile()
    seconds = time.perf_counter() - start
    text = compiled.as_text()
    collectives = text.count(" all-reduce(") + text.count(" all-reduce-start(")
    return CompiledSteps(compiled, seconds, operations, collectives)


def abstract_step(recipe: Recipe, feed: Feed, mesh, where: parallel.TrainState) -> Callable:
    """One step on every device of the mesh, `state, images, labels -> state, metrics`, to be traced.

    where: `parallel.specs_of` the state.
    """

    def step(state, images, labels):
        if feed.streamed:
            images, labels = jax.tree.map(lambda of_steps: of_steps[0], (images, labels))
        return train_step(recipe, feed, state, images, labels)

    return _on_each_device(step, mesh, where, given_as(feed))


def step_cost(recipe: Recipe, feed: Feed, mesh: Mesh, state: parallel.TrainState, images, labels) -> Cost:
    """What one step costs each device, `jaxgen.training.operations`; with plain convolutions on every platform.

    Of lanes: what a step of one of them does.
    """
    arguments = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (state, images, labels))
    where = parallel.specs_of(mesh, state)
    if parallel.SEED_AXIS in mesh.axis_names:
        lanes, mesh = arguments[0], parallel.mesh_of_others(parallel.data_devices(mesh))
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (lanes.key, lanes.players))
        arguments = (parallel.TrainState(lanes.step, *one), *arguments[1:])
        where = parallel.specs_of(mesh, arguments[0])
    with compile_for("tpu"):  # the CPU's own forms of convolutions multiply less
        return cost_of(abstract_step(recipe, feed, mesh, where), *arguments, step=lambda arguments: arguments[0].step)
