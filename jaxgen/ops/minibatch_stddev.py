"""Minibatch standard deviation (Karras et al. 2018, section 3): lets a discriminator see how samples vary."""

import jax
import jax.numpy as jnp


def minibatch_stddev(x, group_size: int, num_features: int = 1, axis_name: str | None = None):
    """Images with the standard deviation over groups of the batch as more channels.

    Image i belongs to group i mod (N / group_size), so groups are strided. Examples are spread over devices as
    `ops.random.example_ids` numbers them, so that whole groups lie on a device where its share is a multiple of the
    group; where it is not, devices exchange their (small) images: with those alone that hold the rest of the group
    where its size is a multiple of the share, else with all. Groups are the same on any number of devices.

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
    together = group % n == 0 and group > n  # all of a device's images are of one group
    gathered = not together and n % group > 0
    if together:
        y = _whole_group(y, group // n, axis_name)
    elif gathered:  # [n, devices, ...], in the order of the examples' numbers
        y = jax.lax.all_gather(y, axis_name, axis=1)
    y = y.reshape(group, -1, height, width, num_features, channels // num_features)
    y = y - y.mean(0)
    y = jnp.sqrt(jnp.mean(y**2, axis=0) + 1e-8).mean((1, 2, 4))  # [groups, num_features]
    y = jnp.broadcast_to(y, (n if together else group, *y.shape))
    if gathered:
        y = y.reshape(n, devices, num_features)[:, jax.lax.axis_index(axis_name)]
    y = jnp.broadcast_to(y.reshape(n, 1, 1, num_features), (n, height, width, num_features))
    return jnp.concatenate([x, y.astype(x.dtype)], axis=-1)


def _whole_group(y: jax.Array, parts: int, axis_name: str) -> jax.Array:
    """The images [n * parts, ...] of this device's group in the order of their numbers, whichever device has them.

    Image j of device d has the number j * devices + d, so a group lies on devices that are devices / parts apart.
    """
    devices = jax.lax.axis_size(axis_name)
    apart = devices // parts
    received = [
        jax.lax.ppermute(y, axis_name, [((d + k * apart) % devices, d) for d in range(devices)])
        for k in range(1, parts)
    ]
    # From this device on; then from the first of them on, so that all compute the same to the bit.
    of_devices = jnp.roll(jnp.stack([y, *received]), jax.lax.axis_index(axis_name) // apart, axis=0)
    return of_devices.swapaxes(0, 1).reshape(-1, *y.shape[1:])
