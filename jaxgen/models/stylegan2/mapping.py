"""The mapping network z -> w, and truncation (Karras et al. 2019, sections 2 and B)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.stylegan2.layers import FullyConnected, second_moment_normalised


class Mapping(nn.Module):
    """Latents [N, z_dim] and classes [N] to w [N, w_dim].

    Without latents (z_dim 0: the discriminator's conditioning) only the classes are mapped. The collection "w_avg"
    holds the mean of w that truncation pulls towards; the recipe moves it.
    """

    w_dim: int
    num_layers: int = 8
    num_classes: int = 0
    lr_multiplier: float = 0.01
    tracks_average: bool = True

    @nn.compact
    def __call__(self, latents: jax.Array | None, labels: jax.Array | None = None) -> jax.Array:
        parts = [] if latents is None else [second_moment_normalised(latents)]
        if self.num_classes:
            embedded = FullyConnected(self.w_dim, name="embed")(jax.nn.one_hot(labels, self.num_classes))
            parts.append(second_moment_normalised(embedded))
        x = jnp.concatenate(parts, axis=-1)
        for i in range(self.num_layers):
            x = FullyConnected(self.w_dim, activate=True, lr_multiplier=self.lr_multiplier, name=f"fc{i}")(x)
        if self.tracks_average:
            self.variable("w_avg", "w_avg", jnp.zeros, (self.w_dim,))
        return x


def broadcast(w: jax.Array, num_ws: int) -> jax.Array:
    """One w for every layer: [N, D] -> [N, num_ws, D]."""
    return jnp.broadcast_to(w[:, None], (w.shape[0], num_ws, w.shape[1]))


def truncate(ws: jax.Array, w_avg: jax.Array, psi: float, cutoff: int | None = None) -> jax.Array:
    """ws [N, L, D] pulled to their average, w_avg + psi * (w - w_avg), in the first `cutoff` layers (None: in all)."""
    truncated = w_avg + psi * (ws - w_avg)
    return truncated if cutoff is None else jnp.concatenate([truncated[:, :cutoff], ws[:, cutoff:]], axis=1)
