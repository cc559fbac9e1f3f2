"""A discriminator within the loss of one player: which of its statistics a pass may move."""

import flax.linen as nn
import jax

from jaxgen.ops.layers import SPECTRAL_NORM
from jaxgen.recipes.base import PyTree


class Judge:
    """The discriminator within one loss, in training mode. A call takes and returns what the network takes and returns.

    Each call starts from the statistics that the last call left. The singular vectors of spectral normalisation move in
    the first call alone, and only on the discriminator's own turn.
    """

    def __init__(self, network: nn.Module, params: PyTree, stats: PyTree, key: jax.Array, own_turn: bool):
        self._network, self._params, self.stats, self._key = network, params, stats, key
        self._calls, self._still = 0, not own_turn

    def __call__(self, *inputs: jax.Array) -> PyTree:
        key = jax.random.fold_in(self._key, self._calls)
        moving = [name for name in self.stats if not (self._still and name == SPECTRAL_NORM)]
        output, changed = self._network.apply(
            {"params": self._params, **self.stats}, *inputs, train=True, mutable=moving, rngs={"dropout": key}
        )
        self.stats = {**self.stats, **changed}
        self._calls, self._still = self._calls + 1, True
        return output
