"""Batch normalisation over all devices, with one all-reduce forward and one backward."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.random import DATA_AXIS


class BatchNorm(nn.Module):
    """Normalises each channel over the global batch (Ioffe & Szegedy, 2015); statistics in float32 in any `dtype`.

    Running averages live in collection "batch_stats" as `mean` and `var` (biased variance, as in Flax; torch's is
    unbiased). `momentum` 0.9 is torch's 0.1. With `train=True` it must run inside `shard_map` over `axis_name`, except
    while initialising.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    axis_name: str | None = DATA_AXIS
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    bias_init: nn.initializers.Initializer = nn.initializers.zeros
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        channels = x.shape[-1]
        scale = self.param("scale", self.scale_init, (channels,))
        bias = self.param("bias", self.bias_init, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,))
        x = x.astype(jnp.float32)
        if train:
            axis_name = None if self.is_initializing() else self.axis_name
            mean, var = _statistics(x, lax.stop_gradient(running_mean.value), axis_name)
            if not self.is_initializing() and self.is_mutable_collection("batch_stats"):
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * lax.stop_gradient(mean)
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * lax.stop_gradient(var)
        else:
            mean, var = running_mean.value, running_var.value
        gain = scale * lax.rsqrt(var + self.epsilon)
        return (x * gain + (bias - mean * gain)).astype(self.dtype)


def _statistics(x, origin, axis_name):
    """Mean and biased variance of each channel over the global batch.

    Both come from one pass and one all-reduce, as moments about `origin` (the running mean): near the true mean,
    E[x^2] - E[x]^2 does not cancel.
    """
    shifted = x - origin
    axes = tuple(range(x.ndim - 1))
    moments = jnp.stack([shifted.mean(axes), jnp.square(shifted).mean(axes)])
    if axis_name is not None and lax.axis_size(axis_name) > 1:
        moments = lax.pmean(moments, axis_name)
    return moments[0] + origin, jnp.maximum(moments[1] - jnp.square(moments[0]), 0)
