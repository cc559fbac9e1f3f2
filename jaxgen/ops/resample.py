"""FIR resampling of images: upsample by zeros, pad, filter, keep every n-th pixel (Karras et al. 2019, 2020).

Filters are separable and small, so each axis is a sum of a few shifted copies. XLA's CPU backend runs depthwise
convolutions many times slower, above all their gradients. The derivative is an operation of the same kind with up and
down exchanged, so derivatives of any order stay fast.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.conv import conv

# The taps of StyleGAN2's filter along one axis; they sum to 1.
BINOMIAL = (0.125, 0.375, 0.375, 0.125)


def upfirdn(x, taps=BINOMIAL, up=1, down=1, padding=(0, 0), gain=1.0):
    """Inserts zeros, pads, convolves with a separable filter and decimates, along both axes of the image.

    Args:
      x: [N, H, W, C].
      taps: the filter along both axes. The convolution is mathematical, so it reverses the filter.
      up: each pixel is followed by up - 1 zeros (also after the last one).
      down: the first of every `down` pixels is kept.
      padding: zeros (before, after) along both axes, after the insertion. Negative numbers crop. A pair of pairs
        ((top, bottom), (left, right)) sets the axes separately.
      gain: factor of the result.

    Returns:
      [N, (H * up + padding - len(taps)) // down + 1, ..., C] in the dtype of x.
    """
    vertical, horizontal = padding if isinstance(padding[0], tuple) else (padding, padding)
    scaled = tuple(gain * tap for tap in reversed(taps))  # the gain costs nothing in the taps
    y = _axis(x, tuple(reversed(taps)), up, down, vertical, 1)
    return _axis(y, scaled, up, down, horizontal, 2)


def upsample(x, taps=BINOMIAL):
    """Images [N, H, W, C] enlarged by 2. Constants stay constant away from the borders."""
    extra = len(taps) - 2
    return upfirdn(x, taps, up=2, padding=((extra + 1) // 2 + 1, extra // 2), gain=4)


def downsample(x):
    """Images [N, H, W, C] reduced by 2."""
    return upfirdn(x, down=2, padding=(1, 1))


def upsample_conv(x, kernel):
    """Upsampling by 2 and an odd-sized convolution, in StyleGAN2's order: transposed convolution, then the filter.

    The filter after the stride-2 transposed convolution equals a filter before a convolution at the full resolution. It
    needs a quarter of the products. StyleGAN2 stores the kernel as for a plain convolution and does not reverse it in
    the transposed convolution. This amounts to a reversed kernel.

    x: [N, H, W, C_in]. kernel: [k, k, C_in, C_out] as of a plain convolution. Returns [N, 2H, 2W, C_out].
    """
    size = kernel.shape[0]
    if size == 1:  # filters and 1x1 convolutions commute: first the one that then has a quarter of the pixels
        return upsample(conv(x, kernel))
    spread = conv(x, jnp.flip(kernel, (0, 1)), padding=size - 1, input_dilation=2)
    # What upsampling by 2 and a plain convolution would pad, less what the transposed one has added at each side.
    half = size // 2
    return upfirdn(spread, padding=(half + 3 - size, half + 3 - size), gain=4)


def downsample_conv(x, kernel):
    """The filter and a stride-2 odd-sized convolution: [N, H, W, C_in] -> [N, H/2, W/2, C_out]."""
    size = kernel.shape[0]
    if size == 1:
        return conv(downsample(x), kernel)
    return conv(upfirdn(x, padding=(1 + size // 2, 1 + size // 2)), kernel, stride=2, padding=0)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4, 5))
def _axis(x, taps, up, down, padding, axis):
    """y[m] = sum_k taps[k] u[m * down + k - padding[0]] along `axis`, where u[i * up] = x[i] and zero elsewhere."""
    low, high = padding
    size = x.shape[axis]
    count = (size * up + low + high - len(taps)) // down + 1
    blocks = -(-count // up)  # output m = up * t + phase: each phase meets every up-th tap only
    terms = [
        [((phase * down + k - low) // up, tap) for k, tap in enumerate(taps) if (phase * down + k - low) % up == 0]
        for phase in range(up)
    ]
    starts = [start for phase in terms for start, _ in phase]
    before = max(0, -min(starts, default=0))
    after = max(0, max(starts, default=0) + (blocks - 1) * down + 1 - size)
    after += -(before + size + after) % down
    widths = [(before, after) if i == axis else (0, 0) for i in range(x.ndim)]
    padded = jnp.pad(x, widths) if before or after else x
    # Every down-th pixel by a reshape: libtpu can make a product with a matrix of zeros and ones of a strided slice,
    # whose operations grow with the cube of the side (benchmarks/resample_forms.py).
    groups = padded.reshape(*x.shape[:axis], -1, down, *x.shape[axis + 1 :])

    def shifted(start):
        first, phase = divmod(start + before, down)
        pixels = lax.index_in_dim(groups, phase, axis + 1, keepdims=False)
        return lax.slice_in_dim(pixels, first, first + blocks, axis=axis)

    shape = (*x.shape[:axis], blocks, *x.shape[axis + 1 :])
    phases = [
        sum(shifted(start) * jnp.asarray(tap, x.dtype) for start, tap in phase)
        if phase
        else jnp.zeros_like(x, shape=shape)
        for phase in terms
    ]
    if up == 1:
        return phases[0]
    y = jnp.stack(phases, axis + 1).reshape(*x.shape[:axis], blocks * up, *x.shape[axis + 1 :])
    return lax.slice_in_dim(y, 0, count, 1, axis)


def _axis_forward(x, taps, up, down, padding, axis):
    return _axis(x, taps, up, down, padding, axis), x.shape[axis]


def _axis_backward(taps, up, down, padding, axis, size, g):
    """The same operation with the filter turned and up and down exchanged."""
    low = len(taps) - 1 - padding[0]
    high = size * up - g.shape[axis] * down + padding[0] - up + 1
    return (_axis(g, taps[::-1], down, up, (low, high), axis),)


_axis.defvjp(_axis_forward, _axis_backward)
