"""FIR downsampling and its gradient as libtpu compiles them: every second pixel by a reshape, or by a strided slice.

    pip install -c constraints.txt -e '.[plan]'
    python benchmarks/resample_forms.py

Compiles both forms for one v5e chip, without a TPU. Prints a table of XLA's operations and bytes, and of the processor
seconds of compiling. If channels do not fill a TPU's 128 lanes, a strided slice becomes a product with a matrix of
zeros and ones. Its operations grow with the cube of the side.
"""

import time

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxgen.ops import resample
from jaxgen.ops.backend import compile_for
from jaxgen.planning.hardware import open_hardware

SHAPES = ((4, 64, 64, 512), (4, 256, 256, 64), (2, 1024, 1024, 32))


def by_strided_slices(x):
    """`resample.downsample` written with strided slices."""
    for axis in (1, 2):
        size = x.shape[axis]
        padded = jnp.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(x.ndim)])
        taps = enumerate(reversed(resample.BINOMIAL))
        x = sum(tap * lax.slice_in_dim(padded, k, k + size - 1, 2, axis) for k, tap in taps)
    return x


def with_gradient(operation):
    """Its result, and a gradient that depends on it."""

    def run(x):
        y, transpose = jax.vjp(operation, x)
        return y, transpose(jnp.sin(y))[0]

    return run


def main() -> None:
    mesh = open_hardware("v5e:1x1").mesh
    sharding = NamedSharding(mesh, PartitionSpec())
    jax.config.update("jax_enable_compilation_cache", False)
    print("| images | every second pixel by | operations | bytes | compiling, processor s |\n|---|---|---|---|---|")
    for shape in SHAPES:
        x = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)
        for name, operation in (("strided slices", by_strided_slices), ("a reshape", resample.downsample)):
            start = time.process_time()
            with compile_for("tpu"):
                step = jax.jit(with_gradient(operation), in_shardings=sharding, out_shardings=sharding)
                costs = step.lower(x).compile().cost_analysis()
            seconds = time.process_time() - start
            print(f"| {shape} | {name} | {costs['flops']:.2g} | {costs['bytes accessed']:.3g} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
