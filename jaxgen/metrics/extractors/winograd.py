"""Convolutions of a fixed network by Winograd's minimal filtering, with tiles of two outputs per axis.

F(2, r) makes 2 outputs of an r-tap filter from r + 1 products instead of 2r. Sources: Winograd 1980, and Lavin and Gray
2016, "Fast Algorithms for Convolutional Neural Networks". 3x3 thus needs 2.25 times fewer products, 5x5 2.8 times, and
1x7 1.75 times. With stride 2, three taps split into F(2, 2) on the even pixels and one tap on the odd pixels: 5
products instead of 6. In float32, the error of 3x3 equals that of XLA's direct convolution. The error of 5x5 and 1x7 is
two and a half times as large, near that of one long sum. Larger tiles save more products, lose more digits, and were no
faster.
"""

import functools
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

TAPS = (1, 3, 5, 7)  # with stride 2: 3
_POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-1/2", "-2", "1/2")))


class Transforms(NamedTuple):
    """y = outputs ((kernels h) * (inputs d)) for y_i = sum_k h_k d_{stride i + k}.

    outputs: [tile, n]. kernels: [n, taps]. inputs: [n, extent], extent = stride (tile - 1) + taps.
    """

    outputs: np.ndarray
    kernels: np.ndarray
    inputs: np.ndarray


_EVERY_SECOND = Transforms(
    outputs=np.array([[1, 1, 0, 1, 0], [0, 1, 1, 0, 1]], np.float64),
    kernels=np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0]], np.float64),
    inputs=np.array(
        [[1, 0, -1, 0, 0], [0, 0, 1, 0, 0], [0, 0, -1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], np.float64
    ),
)


@functools.cache
def transforms(taps: int, stride: int = 1) -> Transforms:
    """F(2, taps), or F(1, 1) for one tap. Stride 2 needs three taps.

    It follows Toom and Cook. A product of polynomials is determined by its values at n - 1 points and at infinity. The
    filter is the transpose. Powers of two (exact) scale each value, so that no term is much larger than others.
    """
    if stride == 2 and taps == 3:
        return _EVERY_SECOND
    if stride != 1 or taps not in TAPS:
        raise ValueError(f"no form for {taps} taps with stride {stride}")
    if taps == 1:
        return Transforms(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    n = taps + 1

    def values(length):
        at_infinity = [Fraction(k == length - 1) for k in range(length)]
        return [[p**k for k in range(length)] for p in _POINTS[: n - 1]] + [at_infinity]

    outputs = np.array(values(2), np.float64).T
    kernels = np.array(values(taps), np.float64)
    inputs = np.array(_inverse(values(n)), np.float64).T
    for i in range(n):
        size = 2.0 ** np.round(np.log2(np.abs(inputs[i]).max()))
        gain = 2.0 ** np.round(np.log2(np.abs(outputs[:, i]).max()))
        inputs[i] /= size
        outputs[:, i] /= gain
        kernels[i] *= size * gain
    return Transforms(outputs, kernels, inputs)


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """Exact, by Gauss and Jordan."""
    n = len(matrix)
    rows = [list(row) + [Fraction(i == j) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in range(n):
            if k != i:
                rows[k] = [x - rows[k][i] * y for x, y in zip(rows[k], rows[i], strict=True)]
    return [row[n:] for row in rows]


def kernel_terms(kernel: np.ndarray, stride: int = 1) -> list[list[np.ndarray]]:
    """The terms of a kernel [kh, kw, C, O] as lists of float32 matrices [C, O], computed in float64.

    The matrices are separate, because a slice of one large array would be copied in every call.
    """
    rows, columns = (transforms(size, stride).kernels for size in kernel.shape[:2])
    terms = np.einsum("ia,jb,abco->ijco", rows, columns, kernel.astype(np.float64)).astype(np.float32)
    return [[term.copy() for term in row] for row in terms]


def conv(x: jax.Array, terms: list[list[jax.Array]], size: tuple[int, int], stride: int, padding: str) -> jax.Array:
    """Convolution of x [N, H, W, C] with `kernel_terms(kernel, stride)`: [N, H_out, W_out, O].

    size: (height, width) of the kernel. padding: "SAME" (stride 1 only) or "VALID".
    """
    n, c = x.shape[0], x.shape[-1]
    rows, columns = (transforms(taps, stride) for taps in size)
    margins = [(taps - 1) // 2 if padding == "SAME" else 0 for taps in size]
    out = [(length + 2 * m - taps) // stride + 1 for length, m, taps in zip(x.shape[1:3], margins, size, strict=True)]
    tile = [len(rows.outputs), len(columns.outputs)]
    tiles = [-(-length // t) for length, t in zip(out, tile, strict=True)]
    step = [stride * t for t in tile]
    needed = [s * (t - 1) + m.inputs.shape[1] for s, t, m in zip(step, tiles, (rows, columns), strict=True)]
    sizes = zip(margins, needed, x.shape[1:3], strict=True)
    pads = [(margin, max(length - size - margin, 0)) for margin, length, size in sizes]
    # The barrier keeps the padding out of the terms, each of which would test its borders again.
    x = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), *pads, (0, 0))))
    products = []
    for row, row_terms in zip(_along(1, rows.inputs, x, step[0], tiles[0]), terms, strict=True):
        inputs = _along(2, columns.inputs, row, step[1], tiles[1])
        products.append(
            [jnp.dot(a.reshape(-1, c), b, precision="highest") for a, b in zip(inputs, row_terms, strict=True)]
        )
    halves = [_combine(rows.outputs, column) for column in zip(*products, strict=True)]
    parts = [_combine(columns.outputs, row) for row in zip(*halves, strict=True)]
    y = jnp.stack([jnp.stack([part.reshape(n, *tiles, -1) for part in row], 3) for row in parts], 2)
    return y.reshape(n, tiles[0] * tile[0], tiles[1] * tile[1], -1)[:, : out[0], : out[1]]


def _along(axis: int, matrix, x, step: int, tiles: int) -> list[jax.Array]:
    """The transform of the pixels of each tile along one axis."""
    pixels = [jax.lax.slice_in_dim(x, i, i + step * (tiles - 1) + 1, step, axis) for i in range(matrix.shape[1])]
    return _combine(matrix, pixels)


def _combine(matrix: np.ndarray, values) -> list[jax.Array]:
    """`matrix @ values` for a list of arrays, spelled out: zeros are skipped, ones not multiplied."""
    return [
        functools.reduce(jnp.add, [v if c == 1 else float(c) * v for c, v in zip(row, values, strict=True) if c])
        for row in matrix
    ]
