"""The transformer over codes: causal, equal in one pass and step by step, and its samples follow its probabilities."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.models.vq_vae import CausalTransformer, sample_codes

KEY = jax.random.key(0)


def prior(num_codes=5, length=6, dtype=jnp.float32):
    module = CausalTransformer(num_codes, length, width=16, layers=2, heads=4, dtype=dtype)
    params = jax.jit(module.init)(KEY, jnp.zeros((1, length), jnp.int32))["params"]
    # Large weights: at their start logits are near zero whatever comes before.
    return module, jax.tree.map(lambda x: 3 * x, params)


@pytest.mark.full
def test_a_position_sees_only_those_before_it():
    module, params = prior()
    codes = jax.random.randint(KEY, (1, 6), 0, 5)
    apply = jax.jit(module.apply)
    logits = apply({"params": params}, codes)
    for i in range(6):
        changed = apply({"params": params}, codes.at[0, i].set((codes[0, i] + 1) % 5))
        difference = np.abs(changed - logits)[0].max(-1)
        assert difference[: i + 1].max() < 1e-5
        assert i == 5 or difference[i + 1 :].min() > 1e-3


def test_steps_with_a_cache_equal_the_whole_pass():
    module, params = prior()
    codes = jax.random.randint(KEY, (3, 6), 0, 5)
    whole = jax.jit(module.apply)({"params": params}, codes)
    step = jax.jit(functools.partial(module.apply, method="step"))
    before, cache = jnp.full(3, 5), module.empty(3)
    for i in range(6):
        logits, cache = step({"params": params}, before, i, cache)
        np.testing.assert_allclose(logits, whole[:, i], atol=1e-4)
        before = codes[:, i]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shapes_and_types(dtype):
    module, params = prior(dtype=dtype)
    logits = jax.jit(module.apply)({"params": params}, jnp.zeros((2, 6), jnp.int32))
    assert (logits.shape, logits.dtype) == ((2, 6, 5), jnp.float32)
    codes = jax.jit(lambda: sample_codes(module, params, KEY, jnp.arange(3)))()
    assert (codes.shape, codes.dtype) == ((3, 6), jnp.int32)


@pytest.mark.full
def test_samples_follow_the_probabilities():
    module, params = prior(num_codes=2, length=3)
    every = jnp.array(list(itertools.product((0, 1), repeat=3)))
    log_p = jax.nn.log_softmax(jax.jit(module.apply)({"params": params}, every))
    p = np.exp(np.take_along_axis(np.asarray(log_p), np.asarray(every)[..., None], -1)[..., 0].sum(-1))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    n = 8_000
    draw = jax.jit(lambda ids: sample_codes(module, params, KEY, ids))
    codes = np.asarray(draw(jnp.arange(n)))
    frequencies = np.bincount(codes @ [4, 2, 1], minlength=8) / n
    assert np.all(np.abs(frequencies - p) < 4 * np.sqrt(p * (1 - p) / n) + 1e-4)
    assert p.max() > 0.2  # far from even
    np.testing.assert_array_equal(draw(jnp.array([7, 3])), codes[[7, 3]])
