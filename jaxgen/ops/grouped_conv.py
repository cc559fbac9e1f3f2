"""3x3 convolution in groups of channels, with derivatives of any order that stay fast on XLA's CPU backend.

Each group of output channels sees the input channels of its own group alone. XLA's CPU backend computes the gradients
of grouped convolutions many times slower than matrix products. On CPUs several groups are here one convolution of
`jaxgen.ops.conv`, whose kernel is 0 between groups. The products with zeros cost less than thin matrices.
Accelerators get `lax.conv_general_dilated`.
"""

import jax.numpy as jnp
from jax import lax

from jaxgen.ops.across_devices import same_varying
from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.conv import DIMENSIONS, conv

# Input channels of one convolution: with more, zeros cost more than they save.
_MOST_CHANNELS = 96


def grouped_conv_3x3(x, kernel):
    """The convolution (cross-correlation), with zeros beyond the borders.

    Args:
      x: [N, H, W, G * C_in], float32 or bfloat16 (sums are float32).
      kernel: [3, 3, C_in, G * C_out].

    Returns:
      [N, H, W, G * C_out] in the dtype of x.
    """
    channels = kernel.shape[2]
    groups = x.shape[-1] // channels
    if not traced_for_cpu():
        options = {"dimension_numbers": DIMENSIONS, "feature_group_count": groups}
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **options)
    x, kernel = same_varying(x, kernel)
    together = max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * channels <= _MOST_CHANNELS))
    # [3, 3, C_in, sets of groups, groups of a set, C_out], then a block of zeros for each pair of groups.
    blocks = kernel.reshape(3, 3, channels, groups // together, together, -1)
    full = jnp.einsum("hwisgo,fg->shwfigo", blocks, jnp.eye(together, dtype=kernel.dtype))
    full = full.reshape(groups // together, 3, 3, together * channels, -1)
    if together == groups:
        return conv(x, full[0])
    parts = jnp.moveaxis(x.reshape(*x.shape[:3], groups // together, -1), 3, 0)
    # No `lax.map`: within it the second derivative of Winograd's form gets its residuals in wrong places.
    y = jnp.stack([conv(part, of_set) for part, of_set in zip(parts, full, strict=True)])
    return jnp.moveaxis(y, 0, 3).reshape(*x.shape[:3], -1)
