"""The cost of a training step, read from its jaxpr before compilation: products, bytes of collectives.

Loops count as often as they run. Work of every k-th step counts 1/k: conditions that depend on the step's number alone
are evaluated over `STEPS` steps.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

PyTree = Any
# Divisible by 1 to 10, 12, 14, 15, 16, 20 and 30: the intervals in which steps repeat.
STEPS = 5_040
_REDUCES = ("psum", "psum_invariant")
_GATHERS = ("all_gather", "all_gather_invariant")
_SCATTERS = ("reduce_scatter", "all_to_all", "ppermute")


class StepCost(NamedTuple):
    """The cost of one step on one device, on average.

    operations: two for each product in matrix multiplications and convolutions. Products with padding and with the
      zeros of dilation are left out. Elementwise work is not counted. Bodies of loops of unknown length count once.
    collective_bytes: the whole arrays of collectives: inputs of all-reduces, reduce-scatters, all-to-alls and
      permutations, and results of all-gathers.
    busiest_operations: operations of the steps with the most work.
    written_operations: the same with loop bodies counted once, like XLA's count of its program.
    reduced_bytes: the part of `collective_bytes` in all-reduces, which travels twice. The rest travels once.
    """

    operations: float = 0.0
    collective_bytes: float = 0.0
    busiest_operations: float = 0.0
    written_operations: float = 0.0
    reduced_bytes: float = 0.0

    def __add__(self, other: "StepCost") -> "StepCost":
        return StepCost(*map(operator.add, self, other))

    def times(self, count: float) -> "StepCost":
        """The cost of doing it `count` times."""
        return StepCost(*(value * count for value in self))


def cost_of(function: Callable, *arguments: PyTree, step: Callable[[PyTree], jax.Array]) -> StepCost:
    """The cost of `function(*arguments)`.

    Args:
      function: traced, not computed.
      arguments: arrays or `jax.ShapeDtypeStruct`s. For the cost on one device, with the shapes of all (in `shard_map`).
      step: `arguments -> scalar`, the leaf that is the step's number.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    marked = step(arguments)
    return _walk(closed, [np.arange(STEPS) if leaf is marked else None for leaf in jax.tree.leaves(arguments)])


def _walk(closed: ClosedJaxpr | Jaxpr, known: list) -> StepCost:
    """StepCost of a jaxpr, `known` telling the values of its arguments in each of `STEPS` steps, or None."""
    jaxpr, constants = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
    values = {var: value for var, value in zip(jaxpr.invars, known, strict=True) if value is not None}
    for var, constant in zip(jaxpr.constvars, constants, strict=False):
        if np.ndim(constant) == 0 and isinstance(constant, int | float | bool | np.generic | np.ndarray):
            values[var] = np.asarray(constant)
    total = StepCost()
    for equation, inputs in _equations(jaxpr, values):
        total += _cost_of_equation(equation, inputs)
    return total


def _equations(jaxpr: Jaxpr, values: dict) -> Iterator[tuple[JaxprEqn, list]]:
    """Each equation with the known values of its inputs; those of its results are added to `values`."""
    for equation in jaxpr.eqns:
        inputs = _known(equation.invars, values)
        yield equation, inputs
        results = zip(equation.outvars, _evaluate(equation, inputs), strict=True)
        values.update((var, value) for var, value in results if value is not None)


def _known(variables: Sequence, values: dict) -> list:
    return [np.asarray(var.val) if isinstance(var, Literal) else values.get(var) for var in variables]


def _cost_of_equation(equation, inputs) -> StepCost:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        return _of_products(_dot(equation))
    if name == "conv_general_dilated":
        return _of_products(_convolution(equation))
    if name in _REDUCES:
        size = sum(_bytes(var.aval) for var in equation.invars)
        return StepCost(collective_bytes=size, reduced_bytes=size)
    if name in (*_GATHERS, *_SCATTERS):
        whole = equation.outvars if name in _GATHERS else equation.invars
        return StepCost(collective_bytes=sum(_bytes(var.aval) for var in whole))
    if name == "scan":
        # What the loop carries changes; what it only reads stays known.
        read = _constants_of_loop(params)
        constants = [*inputs[:read], *[None] * (len(inputs) - read)]
        body = _walk(params["jaxpr"], constants)
        return body.times(params["length"])._replace(written_operations=body.written_operations)
    if name == "while":
        return _walk(params["body_jaxpr"], [None] * len(params["body_jaxpr"].jaxpr.invars))
    if name == "cond":
        return _branches(params["branches"], inputs[0], inputs[1:])
    inner = [value for value in params.values() if isinstance(value, ClosedJaxpr | Jaxpr)]
    if not inner:
        return StepCost()
    # Functions within the function; of a custom derivative the one that is called.
    body = inner[0]
    count = len((body.jaxpr if hasattr(body, "consts") else body).invars)
    return _walk(body, inputs if count == len(inputs) else [None] * count)


def _constants_of_loop(params: Mapping[str, Any]) -> int:
    """The number of inputs that a `scan` only reads. They come first."""
    if "num_consts" in params:
        return params["num_consts"]
    constants, _carried, _each_step = params["ft_in"].unpack()  # the form since JAX 0.11
    return len(list(constants))


def _of_products(operations: float) -> StepCost:
    return StepCost(operations, 0.0, operations, operations)


def _branches(branches, index, inputs) -> StepCost:
    costs = [_walk(branch, inputs) for branch in branches]
    busiest = max(cost.busiest_operations for cost in costs)
    written = max(cost.written_operations for cost in costs)
    if index is None:  # decided by data: the dearest one
        return max(costs, key=lambda cost: (cost.operations, cost.collective_bytes))
    shares = np.bincount(np.broadcast_to(index, (STEPS,)).astype(int), minlength=len(costs)) / STEPS
    total = StepCost()
    for cost, share in zip(costs, shares, strict=True):
        total += cost.times(share)
    return total._replace(busiest_operations=busiest, written_operations=written)


_SCALAR = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "rem": np.fmod,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "sign": np.sign,
    "clamp": lambda low, x, high: np.clip(x, low, high),
}


def _evaluate(equation, inputs) -> list:
    """Values of the results where they follow from known scalars, None elsewhere."""
    unknown = [None] * len(equation.outvars)
    name, params = equation.primitive.name, equation.params
    if not inputs or any(value is None for value in inputs) or any(var.aval.shape for var in equation.outvars):
        return unknown
    if name in _SCALAR:
        return [_SCALAR[name](*inputs)]
    if name == "select_n":
        return [np.choose(np.asarray(inputs[0]).astype(int), inputs[1:])]
    if name in ("convert_element_type", "copy", "squeeze", "broadcast_in_dim", "stop_gradient", "pvary", "pcast"):
        dtype = params.get("new_dtype")
        return [inputs[0] if dtype is None else np.asarray(inputs[0]).astype(dtype)]
    if name in ("pjit", "jit", "closed_call", "core_call"):
        inner = params["jaxpr"].jaxpr
        values = dict(zip(inner.invars, inputs, strict=True))
        for _ in _equations(inner, values):
            pass
        return _known(inner.outvars, values)
    return unknown


def _bytes(aval) -> float:
    return math.prod(aval.shape) * aval.dtype.itemsize


def _dot(equation) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def _convolution(equation) -> float:
    params = equation.params
    numbers = params["dimension_numbers"]
    image, kernel = (var.aval.shape for var in equation.invars[:2])
    out = equation.outvars[0].aval.shape
    pairs = 1
    for i, (out_axis, image_axis, kernel_axis) in enumerate(
        zip(numbers.out_spec[2:], numbers.lhs_spec[2:], numbers.rhs_spec[2:], strict=True)
    ):
        pairs *= _valid_pairs(
            out[out_axis],
            image[image_axis],
            kernel[kernel_axis],
            params["window_strides"][i],
            params["padding"][i][0],
            params["lhs_dilation"][i],
            params["rhs_dilation"][i],
        )
    batch = out[numbers.out_spec[0]]
    features_out, features_in = kernel[numbers.rhs_spec[0]], kernel[numbers.rhs_spec[1]]  # the latter of one group
    return 2.0 * batch * features_out * features_in * pairs / params["batch_group_count"]


def _valid_pairs(out, image, kernel, stride, padding, image_dilation, kernel_dilation) -> int:
    """Pairs of output position and kernel tap on one axis that meet a pixel of the image."""
    at = np.arange(out)[:, None] * stride + np.arange(kernel)[None] * kernel_dilation - padding
    return int(np.sum((at >= 0) & (at <= (image - 1) * image_dilation) & (at % image_dilation == 0)))
