"""Optimisers of a player that is regularised only every k-th step (Karras et al. 2020, appendix B)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from jaxgen.recipes.optimizers import optimizer_of

_TOUCHED, _UNTOUCHED, _FROZEN = "regularised", "not regularised", "frozen"


class LazyOptimizer(NamedTuple):
    """One optimiser with one state and two kinds of updates.

    main: updates from the player's loss.
    regularization: updates from its regularisation alone. They skip parameters that the regularisation does not depend
      on, and their moments. A zero gradient would decay the second moment and so lengthen the next steps.
    """

    main: optax.GradientTransformation
    regularization: optax.GradientTransformation


def lazy_optimizer(
    config,
    player: str,
    interval: int,
    untouched: Callable[[tuple[str, ...]], bool],
    frozen: frozenset[tuple[str, ...]] = frozenset(),
) -> LazyOptimizer:
    """A player's optimiser for k + 1 updates in k = `interval` steps: the rate times k/(k+1), the decays to that power.

    Args:
      config: the whole config. Reads `optimizers.<player>` and `steps`.
      player: "generator" or "discriminator".
      interval: k.
      untouched: whether the regularisation ignores the parameter at a path, such as ("b4", "out", "bias").
      frozen: paths of layers, such as ("b8", "conv0"), whose parameters no update changes.
      frozen: paths of layers, such as ("b8", "conv0"), whose parameters no update changes.
    """
    ratio = interval / (interval + 1)
    values = ml_collections.ConfigDict(config.optimizers[player])
    values.update(learning_rate=values.learning_rate * ratio, b1=values.b1**ratio, b2=values.b2**ratio)
    # A schedule counts updates, of which a step with a regularisation has two.
    updates = config.steps + -(-config.steps // interval)
    transform = optimizer_of(values, updates, f"config.optimizers.{player}")

    def labels(params):
        def label(path, leaf):
            del leaf
            names = tuple(part.key for part in path)
            if names[:-1] in frozen:
                return _FROZEN
            return _UNTOUCHED if untouched(names) else _TOUCHED

        return jax.tree_util.tree_map_with_path(label, params)

    transforms = {_TOUCHED: transform, _UNTOUCHED: transform}
    if frozen:  # otherwise the optimiser's state keeps the form that it has in old checkpoints
        transforms[_FROZEN] = optax.set_to_zero()
    main = optax.partition(transforms, labels)

    def update(grads, state, params=None):
        updates, after = main.update(grads, state, params)
        inner = {**after.inner_states, _UNTOUCHED: state.inner_states[_UNTOUCHED]}
        updates = jax.tree.map(lambda u, label: u if label == _TOUCHED else jnp.zeros_like(u), updates, labels(grads))
        return updates, after._replace(inner_states=inner)

    return LazyOptimizer(main, optax.GradientTransformation(main.init, update))
