"""The interface between objectives and the training loop, and the only place where gradients become updates."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct

from jaxgen.ops.across_devices import share_of, shared_axis, varying_axes, whole
from jaxgen.ops.random import DATA_AXIS

PyTree = Any


class Batch(NamedTuple):
    """The examples of one step on one device.

    images: [n, p, b, H, W, C] float32 in [-1, 1]: n batches of p parts (gradient accumulation) of b examples. Vectors
      are [n, p, b, D] in the data's units, and rows of a table are encoded vectors.
    labels: [n, p, b] int32, or None.
    """

    images: jax.Array
    labels: jax.Array | None


class Table(Protocol):
    """The encoding of table rows as vectors for training.

    layout: the parts of a vector, as in `jaxgen.models.base.GAN`.
    decode: `(vectors [n, D], labels [n] or None) -> rows [n, C]` in the columns' own units.
    """

    layout: tuple[tuple[str, int], ...]

    def decode(self, vectors: jax.Array, labels: jax.Array | None) -> jax.Array: ...


class Recipe(NamedTuple):
    """An objective that trains networks. The loop needs nothing else.

    A recipe module with `VECTORS = True` has a `build` that also takes (D,) as `image_shape`. With `TABLES = True` it
    takes one more argument, `table`, for vectors that are rows of a table (`Table`). A `build` with a parameter
    `num_examples` gets the number of training examples, or 0 where it is not known.
    init: `(key) -> state`, a pytree.
    update: `(state, batch: Batch, key, step) -> state, {name: scalar}`. Called inside `shard_map` over `DATA_AXIS`.
    views: functions of the trained state, by name. All are pure and independent of the number of devices. A view's
      parameter names define its inputs. Any name is possible. A view with no inputs beyond `state`, `key`, `ids`,
      `labels`, `images`, `image_labels` and `samples` is evaluated by metrics that name it in NEEDS. jaxgen
      itself uses these views:
      "sample": `(state, key, ids [n], labels [n] or None) -> images [n, H, W, C]` in [-1, 1],
      "points": the same for vectors, in place of "sample", -> [n, D] in the data's units,
      "latents": `(key, ids [n]) -> latents [n, ...]` and "decode": `(state, latents, labels) -> images` or points,
      "mapping": `(state, latents, labels) -> w [n, D]` and "synthesis": `(state, ws, noise, key, ids) -> images`. They
        are the parts of "decode" in models with styles. ws is [n, L, D], or one w [n, D] for all L layers. Noise is
        "const", "random" (from key and ids), "none", or a tree of maps [n, r, r] for each image. Such models also have
        "w_average": `(state) -> [D]` and "noise_maps": `(state) -> tree of [r, r]`, the network's constant maps,
      "discriminate": `(state, examples [n, ...], labels) -> logits [n]` of the present discriminator, for images or
        points,
      "reconstruct": `(state, images [n, H, W, C]) -> images`,
      "encode": `(state, images) -> mean [n, Z], log_variance [n, Z]` of the posterior,
      "clusters": `(state, images) -> int32 [n]`, the cluster of each image, learned without labels,
      "log_likelihood": `(state, images, key, ids [n], samples) -> nats [n]`, a bound from `samples` draws.
      A view with the parameter `image_labels` gets the classes int32 [n] of `images`. `labels` are those of samples.
    images: names of the views that make images in [-1, 1], if the data are images.
    facts: facts about a view for evaluation, by its name, such as {"log_likelihood": {"dimensions": 784, ...}}.
    batches: number of batches of real images in one update (n_critic for a GAN).
    part_multiple: on several devices, each device's share of a part must be a multiple of this
      (`jaxgen.settings.checks`).
    shard_optimizer: whether to divide the optimisers' arrays over the devices. `descend` sees this from the arrays.
    """

    init: Callable
    update: Callable
    views: Mapping[str, Callable]
    batches: int = 1
    facts: Mapping[str, dict] = {}
    part_multiple: int = 1
    shard_optimizer: bool = False
    images: Collection[str] = ("sample", "decode", "synthesis", "reconstruct")


class Player(struct.PyTreeNode):
    """One trained network: its parameters, its other collections (BatchNorm, ...) and its optimiser's state."""

    params: PyTree
    stats: PyTree
    opt_state: PyTree

    @classmethod
    def create(cls, params: PyTree, stats: PyTree, tx: optax.GradientTransformation) -> "Player":
        """A player before its first step."""
        return cls(params, stats, tx.init(params))


class Outcome(NamedTuple):
    """The second result of a loss function, for one part on one device. `descend` returns it for the whole batch.

    stats: the player's new statistics.
    metrics: scalars to log. Their mean is logged.
    outputs: arrays per example that the recipe uses again. `descend` stacks the parts: [p, ...].
    averages: arrays whose mean over all parts and devices the recipe uses. They share the gradients' all-reduce.
    """

    stats: PyTree
    metrics: dict[str, jax.Array]
    outputs: PyTree = None
    averages: PyTree = None


def init_network(module: nn.Module, key: jax.Array, *inputs) -> tuple[PyTree, PyTree]:
    """Parameters and the other collections of `module` for `inputs`, separately."""
    variables = dict(module.init(key, *inputs, train=False))
    return variables.pop("params"), variables


def apply_train(module: nn.Module, params: PyTree, stats: PyTree, *inputs, key: jax.Array) -> tuple[PyTree, PyTree]:
    """The network's output in training mode, and its statistics after it."""
    return module.apply({"params": params, **stats}, *inputs, train=True, mutable=list(stats), rngs={"dropout": key})


def apply_eval(module: nn.Module, params: PyTree, stats: PyTree, *inputs) -> PyTree:
    """The network's output with its running statistics."""
    return module.apply({"params": params, **stats}, *inputs, train=False)


def descend(
    loss_fn: Callable, player: Player, tx: optax.GradientTransformation, parts: PyTree
) -> tuple[Player, Outcome]:
    """One optimiser step of `player` on the mean of `loss_fn` over all examples of all devices.

    This is the only place where gradients become updates, with one all-reduce. Gradients, metrics and statistics that
    differ between devices travel together.

    Args:
      loss_fn: `(params, stats, part) -> loss, Outcome`, the mean over the part's examples on this device.
      player: the player to train.
      tx: the player's optimiser.
      parts: arrays [p, ...]. The gradient is the mean over the p parts, taken one after the other.

    Returns:
      The player after the step, and the outcome of the whole batch, with the metric `grad_norm` (before clipping).
    """
    # Parameters marked as different on each device give each device's own gradient: averaging it is then our choice
    # of one packed all-reduce, where differentiating shared parameters would add one for every array.
    params = jax.tree.map(_as_varying, player.params)
    value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
    count = jax.tree.leaves(parts)[0].shape[0]

    def of_part(stats, part):
        (_, outcome), grads = value_and_grad(params, stats, part)
        return outcome.stats, (grads, outcome.metrics, outcome.averages), outcome.outputs

    if count == 1:
        stats, means, outputs = of_part(player.stats, jax.tree.map(lambda x: x[0], parts))
        outputs = jax.tree.map(lambda x: x[None], outputs)
    else:
        stats, means, outputs = _accumulate(of_part, player.stats, parts, count)
    (grads, metrics, averages), stats = average_over_devices((means, stats))
    metrics["grad_norm"] = optax.tree.norm(grads)
    updates, opt_state = _updates(tx, grads, player)
    player = Player(optax.apply_updates(player.params, updates), stats, opt_state)
    return player, Outcome(stats, metrics, outputs, averages)


def _updates(tx: optax.GradientTransformation, grads: PyTree, player: Player) -> tuple[PyTree, PyTree]:
    """The optimiser's updates and its state after them.

    If a device holds only a share of the state, it computes the updates of its own parameters. Then all devices
    exchange updates (stage 1 of ZeRO, Rajbhandari et al. 2020). This suits element-wise transformations only.
    """
    complete = jax.tree.leaves(jax.eval_shape(tx.init, player.params))
    if all(a.shape == b.shape for a, b in zip(complete, jax.tree.leaves(player.opt_state), strict=True)):
        return tx.update(grads, player.opt_state, player.params)
    leaves, structure = jax.tree.flatten(player.params)
    axes = [shared_axis(leaf.shape, jax.lax.axis_size(DATA_AXIS)) for leaf in leaves]

    def shares(tree):
        return jax.tree.unflatten(structure, map(share_of, jax.tree.leaves(tree), axes))

    updates, opt_state = tx.update(shares(grads), player.opt_state, shares(player.params))
    return jax.tree.unflatten(structure, whole(jax.tree.leaves(updates), axes)), opt_state


def _accumulate(of_part: Callable, stats: PyTree, parts: PyTree, count: int) -> tuple[PyTree, PyTree, PyTree]:
    """Statistics after the last part, means over the parts, and the parts' outputs stacked."""

    def body(carry, part):
        stats, sums = carry
        stats, terms, outputs = of_part(stats, part)
        return (stats, jax.tree.map(jnp.add, sums, terms)), outputs

    stats, sums, outputs = of_part(stats, jax.tree.map(lambda x: x[0], parts))
    (stats, sums), others = jax.lax.scan(body, (stats, sums), jax.tree.map(lambda x: x[1:], parts))
    outputs = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), outputs, others)
    return stats, jax.tree.map(lambda x: x / count, sums), outputs


def average_over_devices(tree: PyTree) -> PyTree:
    """Mean over `DATA_AXIS` of every leaf that differs between devices, in one all-reduce. Other leaves stay as is."""
    leaves, structure = jax.tree.flatten(tree)
    differ = [i for i, leaf in enumerate(leaves) if DATA_AXIS in varying_axes(leaf)]
    if not differ:  # always so on one device
        return tree
    packed = jnp.concatenate([leaves[i].astype(jnp.float32).ravel() for i in differ])
    packed = jax.lax.pmean(packed, DATA_AXIS)
    start = 0
    for i in differ:
        size = leaves[i].size
        leaves[i] = packed[start : start + size].reshape(leaves[i].shape).astype(leaves[i].dtype)
        start += size
    return jax.tree.unflatten(structure, leaves)


def _as_varying(leaf: jax.Array) -> jax.Array:
    if jax.lax.axis_size(DATA_AXIS) == 1 or DATA_AXIS in varying_axes(leaf):
        return leaf
    return jax.lax.pcast(leaf, DATA_AXIS, to="varying")


class Average(struct.PyTreeNode):
    """Exponential moving average of a player, with its own BatchNorm statistics."""

    params: PyTree
    stats: PyTree

    @classmethod
    def start(cls, params: PyTree, stats: PyTree) -> "Average":
        """Before the first step. It copies: a step donates its buffers, and a buffer cannot be donated twice."""
        return cls(jax.tree.map(jnp.copy, params), jax.tree.map(jnp.copy, stats))

    def follow(self, params: PyTree, stats: PyTree, decay: float, forward: Callable, step: jax.Array) -> "Average":
        """After a step: `toward` and `refresh`. A decay of 0 returns the trained parameters."""
        return self.toward(params, decay, step).refresh(forward, step) if decay else Average(params, stats)

    def toward(self, params: PyTree, decay: float, step: jax.Array) -> "Average":
        """params <- decay * params + (1 - decay) * new. The decay starts small, so that first steps are forgotten."""
        decay = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
        return self.replace(params=jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, self.params, params))

    def refresh(self, forward: Callable, step: jax.Array) -> "Average":
        """Statistics from the averaged parameters' own activations. The trained network's statistics would not fit.

        Args:
          forward: `(params, stats) -> stats`, a pass in training mode.
          step: at the start every step counts. Later each eighth step is enough, since the average moves slowly.
        """
        if not jax.tree.leaves(self.stats):
            return self
        due = (step < 256) | (step % 8 == 0)
        return self.replace(stats=jax.lax.cond(due, forward, lambda params, stats: stats, self.params, self.stats))
