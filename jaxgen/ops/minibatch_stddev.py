"""Minibatch standard deviation (Karras et al. 2018, section 3): lets a discriminator see how samples vary."""

import jax
import jax.numpy as jnp


def minibatch_stddev(x, group_size: int, num_features: int = 1, axis_name: str | None = None):
    """Images with the standard deviation over groups of the batch as more channels.

    Image i belongs to group i mod (N / group_size), so groups are strided. Examples are spread over devices as
    `ops.random.example_ids` numbers them, so that whole groups lie on a device where its share is a multiple of the
    group; where it is not, devices exchange their (small) images. Groups are the same on any number of devices.

    Args:
      x: [n, H, W, C]; the statistics are computed in float32 at least.
      group_size: images in a group; the whole batch of all devices where that is smaller.
      num_features: channels to add, each the mean over its share of C; C is a multiple of it.
      axis_name: the mesh axis that the batch is spread over (inside `shard_map`); None: x is all of it.

    Returns:
      [n, H, W, C + num_features] in the dtype of x.

    Raises:
      ValueError: the batch of all devices is no multiple of the group's size.
    """
    n, height, width, channels = x.shape
    devices = jax.lax.axis_size(axis_name) if axis_name else 1
    group = min(group_size, n * devices)
    if n * devices % group:
        raise ValueError(f"minibatch_stddev: groups of {group} do not divide a batch of {n * devices}")
    y = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    shared = n % group > 0
    if shared:  # [n, devices, ...], in the order of the examples' numbers
        y = jax.lax.all_gather(y, axis_name, axis=1)
    y = y.reshape(group, -1, height, width, num_features, channels // num_features)
    y = y - y.mean(0)
    y = jnp.sqrt(jnp.mean(y**2, axis=0) + 1e-8).mean((1, 2, 4))  # [groups, num_features]
    y = jnp.broadcast_to(y, (group, *y.shape))
    if shared:
        y = y.reshape(n, devices, num_features)[:, jax.lax.axis_index(axis_name)]
    y = jnp.broadcast_to(y.reshape(n, 1, 1, num_features), (n, height, width, num_features))
    return jnp.concatenate([x, y.astype(x.dtype)], axis=-1)
