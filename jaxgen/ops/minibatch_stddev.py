"""Minibatch standard deviation (Karras et al. 2018, section 3): lets a discriminator see how samples vary."""

import jax.numpy as jnp


def minibatch_stddev(x, group_size: int, num_features: int = 1):
    """Images with the standard deviation over groups of the batch as more channels.

    Image i belongs to group i mod (N / group_size), so groups are strided; with examples spread over devices as
    `ops.random.example_ids` numbers them, they are the same on any number of devices that divides the groups.

    Args:
      x: [N, H, W, C]; the statistics are computed in float32 at least.
      group_size: images in a group; the whole batch where it is smaller.
      num_features: channels to add, each the mean over its share of C; C is a multiple of it.

    Returns:
      [N, H, W, C + num_features] in the dtype of x.

    Raises:
      ValueError: N is no multiple of the group's size.
    """
    n, height, width, channels = x.shape
    group = min(group_size, n)
    if n % group:
        raise ValueError(f"minibatch_stddev: groups of {group} do not divide a batch of {n} on each device")
    y = x.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape(
        group, n // group, height, width, num_features, channels // num_features
    )
    y = y - y.mean(0)
    y = jnp.sqrt(jnp.mean(y**2, axis=0) + 1e-8).mean((1, 2, 4))  # [groups, num_features]
    y = jnp.broadcast_to(y[None, :, None, None], (group, n // group, height, width, num_features))
    return jnp.concatenate([x, y.reshape(n, height, width, num_features).astype(x.dtype)], axis=-1)
