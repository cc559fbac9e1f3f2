"""The positions of a convolution's taps."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]


class Geometry(NamedTuple):
    """The positions of a convolution's taps. Every field is (height, width)."""

    stride: tuple[int, int]
    pads: Pads
    input_dilation: tuple[int, int]

    @property
    def is_plain(self) -> bool:
        """No stride."""
        return self.stride == (1, 1)

    def output_shape(self, image_shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        """[N, h, w, O] for images [N, H, W, C] and a kernel [kh, kw, C, O]."""
        sizes = []
        for axis in (0, 1):
            spread = (image_shape[1 + axis] - 1) * self.input_dilation[axis] + 1 + sum(self.pads[axis])
            sizes.append((spread - kernel_shape[axis]) // self.stride[axis] + 1)
        return (image_shape[0], *sizes, kernel_shape[3])

    def exchanged(self, kernel_size: tuple[int, int]) -> "Geometry":
        """Geometry of a plain convolution for the kernel's gradient: image and output gradient change places."""
        pads = [(size - 1 - low, size - 1 - high) for size, (low, high) in zip(kernel_size, self.pads, strict=True)]
        return Geometry(self.input_dilation, tuple(pads), (1, 1))

    def is_4x4_stride_2(self, kernel_size: tuple[int, ...]) -> bool:
        """The convolution that halves an image: 4x4, stride 2, one pixel of padding."""
        return tuple(kernel_size[:2]) == (4, 4) and self == Geometry((2, 2), ((1, 1), (1, 1)), (1, 1))

    def is_transposed_4x4(self, kernel_size: tuple[int, ...]) -> bool:
        """The transpose of `is_4x4_stride_2`."""
        return tuple(kernel_size[:2]) == (4, 4) and self == Geometry((1, 1), ((2, 2), (2, 2)), (2, 2))


def resolve_padding(padding, sizes, kernel_size, stride) -> Pads:
    """Padding as ((top, bottom), (left, right)) of an image of `sizes`."""
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if isinstance(padding, str):
        return tuple(lax.padtype_to_pads(sizes, kernel_size, stride, padding))
    return tuple((int(low), int(high)) for low, high in padding)


def turned(kernel):
    """The kernel of the transposed convolution: turned by 180 degrees, input and output channels swapped."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
