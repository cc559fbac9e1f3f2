"""A step for GPUs that are not here: lowered for CUDA, which proves it a program for them; its memory is estimated."""

from typing import NamedTuple

import jax

from jaxgen.devices import parallel
from jaxgen.ops.backend import compile_for
from jaxgen.planning.memory_estimate import Estimate, estimate
from jaxgen.planning.subject import Subject
from jaxgen.training import compiled_steps


class Lowered(NamedTuple):
    """arguments: bytes of state and data on each GPU; estimate: of the rest; stablehlo_bytes: of the program."""

    arguments: float
    estimate: Estimate
    stablehlo_bytes: int


def lower_step(subject: Subject, count: int) -> Lowered:
    """Lowers one training step for `count` GPUs."""
    mesh = parallel.mesh_of_others(count)
    arguments = subject.state, subject.data
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    with compile_for("gpu"):
        step = compiled_steps.abstract_step(subject.recipe, subject.batching, mesh, *arguments)
        exported = jax.export.export(jax.jit(step), platforms=["cuda"])(*shapes)
        beside = estimate(jax.make_jaxpr(step)(*shapes))
    size = sum(parallel.bytes_on_a_device(leaf) for leaf in jax.tree.leaves(arguments))
    return Lowered(float(size), beside, len(exported.mlir_module_serialized))
