"""A step for absent GPUs, lowered for CUDA. Lowering proves that the program is valid there. The memory is estimated.

The estimate reads the step's jaxpr. Equations run in order, results are freed after their last use, and elementwise
work is fused into the only equation that uses it. XLA orders, fuses and recomputes differently. The estimate can be
wrong by half and more.
"""

import math
from typing import NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.sharding import Mesh

from jaxgen.devices import parallel
from jaxgen.ops.backend import compile_for
from jaxgen.planning.subject import Subject
from jaxgen.training import compiled_steps

# What XLA fuses into the use of its result.
# fmt: off
_FUSED = frozenset((
    "abs", "add", "and", "bitcast_convert_type", "broadcast_in_dim", "ceil", "clamp", "convert_element_type", "copy",
    "cos", "div", "eq", "erf", "exp", "expm1", "floor", "ge", "gt", "integer_pow", "iota", "is_finite", "le", "log",
    "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pad", "pcast", "pow", "pvary",
    "random_bits", "random_unwrap", "random_wrap", "rem", "reshape", "rev", "round", "rsqrt", "select_n",
    "shift_left", "shift_right_logical", "sign", "sin", "slice", "sqrt", "square", "squeeze", "stop_gradient", "sub",
    "tanh", "transpose", "xor",
))
# fmt: on


class Estimate(NamedTuple):
    """peak: bytes alive at once, besides the arguments. traffic: bytes read and written."""

    peak: float
    traffic: float


class Lowered(NamedTuple):
    """arguments: bytes of state and data on each GPU. estimate: the rest. stablehlo_bytes: size of the program."""

    arguments: float
    estimate: Estimate
    stablehlo_bytes: int


def lower_step(subject: Subject, mesh: Mesh) -> Lowered:
    """Lowers one training step for the GPUs of `mesh`."""
    arguments = subject.state, subject.data
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    with compile_for("gpu"):
        step = compiled_steps.abstract_step(subject.recipe, subject.batching, mesh, *arguments)
        exported = jax.export.export(jax.jit(step), platforms=["cuda"])(*shapes)
        beside = estimate(jax.make_jaxpr(step)(*shapes))
    size = sum(parallel.bytes_on_a_device(leaf) for leaf in jax.tree.leaves(arguments))
    return Lowered(float(size), beside, len(exported.mlir_module_serialized))


def estimate(closed: ClosedJaxpr | Jaxpr) -> Estimate:
    """Bytes of one run of a jaxpr, its arguments left out."""
    jaxpr = closed.jaxpr if hasattr(closed, "consts") else closed
    uses: dict = {}
    for number, equation in enumerate(jaxpr.eqns):
        for var in equation.invars:
            if not isinstance(var, Literal):
                uses.setdefault(var, []).append(number)
    kept = {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    live, peak, traffic, sizes = 0.0, 0.0, 0.0, {}
    for number, equation in enumerate(jaxpr.eqns):
        inside, read = _inside(equation), {var for var in equation.invars if not isinstance(var, Literal)}
        for var in equation.outvars:
            fused = equation.primitive.name in _FUSED and len(uses.get(var, ())) == 1 and var not in kept
            sizes[var] = 0.0 if fused else _bytes(var)
            live += sizes[var]
        peak = max(peak, live + inside.peak)
        traffic += inside.traffic
        if not inside.traffic and any(sizes[var] for var in equation.outvars):
            traffic += sum(sizes[var] for var in equation.outvars)
            traffic += sum(sizes.get(var, _bytes(var)) for var in read)
        for var in read:
            if var in sizes and uses[var][-1] == number and var not in kept:
                live -= sizes[var]
    return Estimate(peak, traffic)


def _inside(equation) -> Estimate:
    """Of the functions within an equation: loops run all their turns, of branches the dearest counts."""
    bodies = []
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr | Jaxpr):
                bodies.append(estimate(item))
    if not bodies:
        return Estimate(0.0, 0.0)
    if equation.primitive.name not in ("cond", "while"):
        bodies = bodies[:1]  # of a custom derivative the function itself
    turns = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
    return Estimate(max(body.peak for body in bodies), turns * max(body.traffic for body in bodies))


def _bytes(var) -> float:
    aval = var.aval
    return float(math.prod(aval.shape) * aval.dtype.itemsize) if hasattr(aval, "shape") else 0.0
