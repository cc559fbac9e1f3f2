"""Types of values inside `shard_map`: a `custom_vjp` function wants operands that vary over the same mesh axes."""

import jax


def varying_axes(a: jax.Array) -> frozenset[str]:
    """Mesh axes over which `a` may differ between devices; empty outside `shard_map`."""
    kind = jax.typeof(a)
    # JAX renamed `vma` to `manual_axis_type.varying` in the 0.10 series; both are in the range we support.
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma


def same_varying(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The arrays, each marked as varying over every mesh axis that any of them varies over.

    The mark's own derivative is the sum over devices, so an operand equal on all devices still gets its whole gradient.
    """
    axes = frozenset().union(*map(varying_axes, arrays))

    def mark(a):
        missing = tuple(sorted(axes - varying_axes(a)))
        return jax.lax.pcast(a, missing, to="varying") if missing else a

    return tuple(map(mark, arrays))
