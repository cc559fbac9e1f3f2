"""Latents in parts: noise, one-hot codes and uniform codes, one after the other in a vector."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses.heads import class_nats
from jaxgen.ops.random import example_normal, example_uniform


class LatentCodes(NamedTuple):
    """The parts of latents [B, Z], in this order.

    noise: standard normal numbers. categories: the values of each categorical code, which is one-hot. continuous:
    codes, uniform in [-1, 1).
    """

    noise: int
    categories: tuple[int, ...]
    continuous: int

    @property
    def outputs(self) -> int:
        """Numbers with which a network tells the codes: logits of each categorical code, then the continuous codes."""
        return sum(self.categories) + self.continuous

    @property
    def layout(self) -> tuple[tuple[str, int], ...]:
        """Kinds and counts of the numbers in order, for traversals: `facts["latents"]["layout"]` of a recipe."""
        parts = (("normal", self.noise), *(("one_hot", size) for size in self.categories), ("uniform", self.continuous))
        return tuple((kind, count) for kind, count in parts if count)

    def draw(self, key: jax.Array, ids: jax.Array) -> jax.Array:
        """Latents [n, Z], each from its id alone."""
        keys = [jax.random.fold_in(key, i) for i in range(len(self.categories) + 2)]
        parts = [example_normal(keys[0], ids, (self.noise,))]
        for part_key, size in zip(keys[2:], self.categories, strict=True):
            place = jnp.minimum((example_uniform(part_key, ids, ()) * size).astype(jnp.int32), size - 1)
            parts.append(jax.nn.one_hot(place, size))
        parts.append(2 * example_uniform(keys[1], ids, (self.continuous,)) - 1)
        return jnp.concatenate(parts, axis=-1)

    def logits_of(self, outputs: jax.Array) -> list[jax.Array]:
        """The logits [B, size] of each categorical code, from the `outputs` of a network."""
        edges = [sum(self.categories[:i]) for i in range(len(self.categories) + 1)]
        return [outputs[:, start:end] for start, end in itertools.pairwise(edges)]

    def nats_of(self, outputs: jax.Array, latents: jax.Array) -> jax.Array:
        """-log Q(c | x) [B] of the categorical codes together, in nats."""
        told, true = self.logits_of(outputs), self.logits_of(latents[:, self.noise :])
        nats = jnp.zeros(outputs.shape[0])
        for logits, code in zip(told, true, strict=True):
            nats = nats + class_nats(logits, jnp.argmax(code, axis=-1))
        return nats

    def squares_of(self, outputs: jax.Array, latents: jax.Array) -> jax.Array:
        """Half the squared errors of the continuous codes [B]: -log Q(c | x) of unit variance, without its constant."""
        if not self.continuous:
            return jnp.zeros(outputs.shape[0])
        return 0.5 * jnp.sum(jnp.square((outputs - latents[:, self.noise :])[:, -self.continuous :]), axis=-1)


def codes_of(settings) -> LatentCodes:
    """The codes in `config.recipe`, without noise: `categorical_codes` and `continuous_codes`.

    Raises:
      UserError: there is no code, or a code with fewer than two values.
    """
    codes = LatentCodes(0, tuple(settings.categorical_codes), settings.continuous_codes)
    if any(size < 2 for size in codes.categories):
        raise UserError(f"config.recipe.categorical_codes={codes.categories}: each code needs two values or more")
    if codes.continuous < 0:
        raise UserError(f"config.recipe.continuous_codes={codes.continuous}: it must be 0 or more")
    if not codes.outputs:
        raise UserError("config.recipe.categorical_codes=() and continuous_codes=0 leave no code. Set one of them")
    return codes
