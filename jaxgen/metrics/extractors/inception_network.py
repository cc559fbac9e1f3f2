"""The Inception network that FID is defined on (2015-12-05, 1008 outputs), for inference, as pure functions.

It departs from the usual Inception v3 (Szegedy et al. 2016) in its pooling branches: 3x3 averages that do not count
the padding, in Mixed_7c a maximum; and in its 1008 outputs. Batch normalisation is folded into the convolutions.
Where convolutions of size 1 share their input they are one product; an average without padding is linear and keeps
constants, so the branch that averages first and mixes channels then is computed the other way round, on fewer
channels. All products are float32 at `precision="highest"`: accelerators would round their inputs otherwise.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.extractors import winograd
from jaxgen.metrics.extractors.base import convolved, unfolded_convolved
from jaxgen.metrics.extractors.inception_params import BLOCKS, CONVOLUTIONS, shared, stride
from jaxgen.ops.backend import traced_for_cpu


def _conv(params, name, x, padding="SAME"):
    layer, step = params[name], stride(name)
    padding = "VALID" if step == 2 else padding
    if "terms" in layer:
        return winograd.conv(x, layer["terms"], CONVOLUTIONS[name][2:], step, padding) + layer["bias"]
    kernel = layer["kernel"]
    if kernel.shape[:2] == (1, 1):
        return jnp.dot(x, kernel[0, 0], precision="highest") + layer["bias"]
    if traced_for_cpu():
        return unfolded_convolved(x, kernel, step) + layer["bias"]
    return convolved(x, kernel, step, padding) + layer["bias"]


def _max_pool(x, step):
    """Maximum over 3x3, without padding at stride 2."""
    if step == 1:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
        x = jax.lax.optimization_barrier(x)
    for axis in (1, 2):
        count = (x.shape[axis] - 3) // step + 1
        slices = [jax.lax.slice_in_dim(x, i, i + (count - 1) * step + 1, step, axis) for i in range(3)]
        x = jnp.maximum(jnp.maximum(*slices[:2]), slices[2])
    return x


def _average_pool(x):
    """Mean over the pixels of the 3x3 neighbourhood that lie in the image."""
    height, width = x.shape[1:3]
    counts = [np.minimum(np.minimum(np.arange(n), n - 1 - np.arange(n)), 1) + 2 for n in (height, width)]
    share = (1 / np.outer(*counts)).astype(np.float32)[:, :, None]
    x = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    x = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    return (x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]) * share


def _shared(params, block, x) -> list[jax.Array]:
    sizes = [BLOCKS[block][name][1] for name in shared(block)]
    return jnp.split(_conv(params, f"{block}.shared", x), np.cumsum(sizes)[:-1].tolist(), -1)


def _chain(params, block, names, x):
    for name in names:
        x = jax.nn.relu(_conv(params, f"{block}.{name}", x))
    return x


def _apply_mixed_35(params, block, x):
    unit, five, double, pool = _shared(params, block, x)
    five = _chain(params, block, ("branch5x5_2",), jax.nn.relu(five))
    double = _chain(params, block, ("branch3x3dbl_2", "branch3x3dbl_3"), jax.nn.relu(double))
    return jnp.concatenate([jax.nn.relu(unit), five, double, jax.nn.relu(_average_pool(pool))], -1)


def _apply_mixed_6a(params, block, x):
    (double,) = _shared(params, block, x)
    double = _chain(params, block, ("branch3x3dbl_2", "branch3x3dbl_3"), jax.nn.relu(double))
    return jnp.concatenate([_chain(params, block, ("branch3x3",), x), double, _max_pool(x, 2)], -1)


def _apply_mixed_17(params, block, x):
    unit, single, double, pool = _shared(params, block, x)
    single = _chain(params, block, ("branch7x7_2", "branch7x7_3"), jax.nn.relu(single))
    double = _chain(params, block, [f"branch7x7dbl_{i}" for i in (2, 3, 4, 5)], jax.nn.relu(double))
    return jnp.concatenate([jax.nn.relu(unit), single, double, jax.nn.relu(_average_pool(pool))], -1)


def _apply_mixed_7a(params, block, x):
    single, seven = map(jax.nn.relu, _shared(params, block, x))
    single = _chain(params, block, ("branch3x3_2",), single)
    seven = _chain(params, block, [f"branch7x7x3_{i}" for i in (2, 3, 4)], seven)
    return jnp.concatenate([single, seven, _max_pool(x, 2)], -1)


def _apply_mixed_8(params, block, x):
    unit, single, double, *pool = _shared(params, block, x)
    pool = _average_pool(pool[0]) if pool else _conv(params, f"{block}.branch_pool", _max_pool(x, 1))
    single = jax.nn.relu(single)
    double = _chain(params, block, ("branch3x3dbl_2",), jax.nn.relu(double))
    ends = [_conv(params, f"{block}.branch3x3_2{i}", single) for i in "ab"]
    ends += [_conv(params, f"{block}.branch3x3dbl_3{i}", double) for i in "ab"]
    return jax.nn.relu(jnp.concatenate([unit, *ends, pool], -1))


def stem(params: dict, x: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """Images float32 [B, 299, 299, 3], scaled -> maps [B, 35, 35, 192] and the means of the first two exits."""
    for name, padding in (("1a_3x3", "VALID"), ("2a_3x3", "VALID"), ("2b_3x3", "SAME")):
        x = jax.nn.relu(_conv(params, f"Conv2d_{name}", x, padding))
    first = x = _max_pool(x, 2)
    for name in ("3b_1x1", "4a_3x3"):
        x = jax.nn.relu(_conv(params, f"Conv2d_{name}", x, "VALID"))
    x = _max_pool(x, 2)
    return x, [first.mean((1, 2)), x.mean((1, 2))]


def trunk(params: dict, x: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Maps [B, 35, 35, 192] -> the means of the last two exits and the logits [B, 1008] without bias."""
    for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _apply_mixed_35(params, block, x)
    x = _apply_mixed_6a(params, "Mixed_6a", x)
    for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _apply_mixed_17(params, block, x)
    third, x = x.mean((1, 2)), _apply_mixed_7a(params, "Mixed_7a", x)
    for block in ("Mixed_7b", "Mixed_7c"):
        x = _apply_mixed_8(params, block, x)
    features = x.mean((1, 2))
    return [third, features], jnp.dot(features, params["fc"], precision="highest")
