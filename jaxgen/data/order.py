"""The order in which training visits a dataset. It is shuffled anew each epoch and computed on use, without state."""

import math

import jax
import jax.numpy as jnp
from jax import lax

# With these, places and successors of each index are uniform over epochs (tests/data/test_order.py); that all n! orders
# are equally likely is not claimed, nor needed: 2^64 keys could not reach them.
_ROUNDS = 8


def shuffled_index(key: jax.Array, position: jax.Array, n: int) -> jax.Array:
    """Dataset indices at positions of an endless shuffled sequence. Each epoch is a permutation of its own.

    A Feistel network on pairs of digits in base ceil(sqrt(n)) permutes at most n + 2 sqrt(n) + 1 numbers. Numbers of n
    or more pass it again until they fall below n (cycle walking). The result is an exact permutation of [0, n), and its
    cost does not depend on n. It works under jit, scan, vmap and shard_map. A batch may span two epochs.

    Args:
      key: PRNG key of the run. Each epoch's permutation comes from `fold_in(key, epoch)`.
      position: global example number since the start, int array, below 2^32.
      n: size of the dataset, 1 to 2^31 - 1.

    Returns:
      int32 of the shape of `position`, in [0, n).
    """
    position = jnp.asarray(position).astype(jnp.uint32)
    epoch, offset = position // n, position % n
    shape = offset.shape
    keys = jax.vmap(lambda e: jax.random.key_data(jax.random.fold_in(key, e)))(epoch.reshape(-1))
    offset = offset.reshape(-1)
    base = math.isqrt(n - 1) + 1

    def walk(index: jax.Array) -> jax.Array:
        return jnp.where(index < n, index, _feistel(index, keys, base))

    # One pass before the loop: every row takes at least one, and the loop then starts from values that vary over
    # the mesh exactly as its results do, which shard_map asks for.
    index = _feistel(offset, keys, base)
    return lax.while_loop(lambda i: jnp.any(i >= n), walk, index).astype(jnp.int32).reshape(shape)


def _feistel(index: jax.Array, keys: jax.Array, base: int) -> jax.Array:
    """Permutes uint32 [B] in [0, base^2); row i under the words `keys[i]`, uint32 [B, words]."""
    left, right = index // base, index % base
    for round_number in range(_ROUNDS):
        mixed = right + jnp.uint32(round_number * 0x9E3779B9 & 0xFFFFFFFF)  # Knuth's multiplicative constant
        for word in range(keys.shape[1]):
            mixed = _hash(mixed ^ keys[:, word])
        left, right = right, (left + mixed % base) % base
    return left * base + right


def _hash(x: jax.Array) -> jax.Array:
    """The 32-bit finaliser of MurmurHash3: a bijection in which every bit of the input reaches every bit."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
