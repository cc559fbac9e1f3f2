"""Vector quantisation: nearest codes, straight-through gradients, moving averages and revival by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.losses.quantization import (
    Codebook,
    commitment,
    init_codebook,
    move_codebook,
    nearest,
    perplexity,
    shares,
    straight_through,
)

KEY = jax.random.key(0)


def test_nearest_by_all_distances():
    encoded, vectors = jax.random.normal(KEY, (3, 4, 4, 5)), jax.random.normal(jax.random.key(1), (7, 5))
    distances = np.square(np.asarray(encoded)[..., None, :] - np.asarray(vectors)).sum(-1)
    np.testing.assert_array_equal(nearest(encoded, vectors), distances.argmin(-1))


def test_the_gradient_goes_straight_through():
    encoded, vectors, weights = (jax.random.normal(jax.random.key(i), (2, 3)) for i in range(3))

    def loss(encoded, vectors):
        return jnp.sum(weights * straight_through(encoded, vectors) ** 2)

    value, (to_encoder, to_vectors) = jax.value_and_grad(loss, argnums=(0, 1))(encoded, vectors)
    assert float(value) == pytest.approx(float(jnp.sum(weights * vectors**2)), rel=1e-5)
    np.testing.assert_allclose(to_encoder, 2 * weights * vectors, rtol=1e-4)  # as if it were the quantised vector
    np.testing.assert_array_equal(to_vectors, 0)


def test_commitment_moves_the_encoder_only_and_sums_over_an_example():
    encoded, vectors = jnp.ones((2, 2, 2, 3)), jnp.zeros((2, 2, 2, 3))
    np.testing.assert_allclose(commitment(encoded, vectors), [12, 12])
    gradients = jax.grad(lambda e, v: commitment(e, v).sum(), argnums=(0, 1))(encoded, vectors)
    np.testing.assert_allclose(gradients[0], 2)
    np.testing.assert_array_equal(gradients[1], 0)


def test_moving_averages_equal_the_papers_counts():
    """Equations 6 to 8 with counts N and sums m; shares are both divided by the vectors of a batch."""
    codebook, rng = init_codebook(KEY, 4, 2), np.random.default_rng(0)
    count, total = np.asarray(codebook.usage) * 12, np.asarray(codebook.sums) * 12
    for _ in range(3):
        encoded = jnp.asarray(rng.normal(size=(3, 2, 2, 2)), jnp.float32)
        codes = nearest(encoded, codebook.vectors())
        flat, numbers = np.asarray(encoded).reshape(12, 2), np.asarray(codes).ravel()
        for k in range(4):
            count[k] = 0.9 * count[k] + 0.1 * (numbers == k).sum()
            total[k] = 0.9 * total[k] + 0.1 * flat[numbers == k].sum(0)
        codebook, revived = move_codebook(
            codebook, *shares(encoded, codes, 4), jnp.zeros((4, 2)), decay=0.9, revive_below=0.0, start=False
        )
        assert revived == 0
    np.testing.assert_allclose(codebook.vectors(), total / count[:, None], rtol=1e-4)


def test_codes_that_nothing_uses_take_their_candidates_place():
    codebook = Codebook(jnp.array([0.5, 0.4999, 1e-4]), jnp.array([[0.5], [0.9998], [3e-4]]))
    usage, sums, candidates = jnp.array([1.0, 0, 0]), jnp.array([[1.0], [0], [0]]), jnp.array([[7.0], [8.0], [9.0]])
    options = {"decay": 0.9, "revive_below": 0.01}
    moved, revived = move_codebook(codebook, usage, sums, candidates, start=False, **options)
    assert revived == 1
    np.testing.assert_allclose(moved.vectors().ravel(), [1.0, 2.0, 9.0], rtol=1e-3)
    assert moved.usage[2] == pytest.approx(1 / 3)  # and has time before it counts as dead again
    moved, revived = move_codebook(codebook, usage, sums, candidates, start=jnp.bool_(True), **options)
    assert revived == 3
    np.testing.assert_allclose(moved.vectors(), candidates, rtol=1e-5)


def test_perplexity_of_even_and_of_single_codes():
    assert float(perplexity(jnp.full(8, 1 / 8))) == pytest.approx(8, rel=1e-5)
    assert float(perplexity(jnp.array([1.0, 0, 0]))) == pytest.approx(1)
    assert float(perplexity(jnp.array([0.5, 0.5, 0]))) == pytest.approx(2, rel=1e-5)
