"""Linear and tiny networks, and a loop over the steps of a recipe, for problems whose answer is known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes.base import Batch

SHAPE = (1, 1, 4)  # an image of four numbers


def sharded(fn):
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    spec = jax.sharding.PartitionSpec()
    return jax.jit(jax.shard_map(fn, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


def run(recipe, images_of, steps, batch):
    """The state after `steps` steps on images `images_of(normal numbers [batch, 4])`, and the metrics."""

    def body(state, step):
        key = jax.random.fold_in(jax.random.key(7), step)
        lead = recipe.batches, 1, batch
        normal = example_normal(key, example_ids(recipe.batches * batch), (4,))
        images = images_of(normal).reshape(*lead, *SHAPE)
        return recipe.update(state, Batch(images, None), jax.random.fold_in(key, 1), step)

    return sharded(lambda state: jax.lax.scan(body, state, jnp.arange(steps)))(recipe.init(jax.random.key(0)))


class Linear(nn.Module):
    """[B, ...] -> [B, *shape], with the initial weights of a given deviation."""

    shape: tuple
    deviation: float = 0.3

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        count = int(np.prod(self.shape))
        x = nn.Dense(count, kernel_init=nn.initializers.normal(self.deviation))(x.reshape(x.shape[0], -1))
        return x.reshape(-1, *self.shape)


class LinearEncoder(nn.Module):
    latent_dim: int
    log_variance: float = -30.0

    @nn.compact
    def __call__(self, x, train=False):
        mean = Linear((self.latent_dim,))(x)
        return mean, jnp.full_like(mean, self.log_variance)


class Judge(nn.Module):
    """A small discriminator of all its inputs together."""

    width: int = 32

    @nn.compact
    def __call__(self, *inputs, train=False):
        x = jnp.concatenate([x.reshape(x.shape[0], -1) for x in inputs], axis=1)
        for _ in range(2):
            x = nn.leaky_relu(nn.Dense(self.width)(x), 0.2)
        return nn.Dense(1)(x)[:, 0]


class LinearJudge(nn.Module):
    @nn.compact
    def __call__(self, *inputs, train=False):
        return sum(nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0] for x in inputs)
