from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cosine, euclidean

from jaxgen.metrics import feature_distance as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.feature_distance import cosine_distance, euclidean_distance


def test_equal_scipy():
    r = np.random.default_rng(0)
    a, b = r.normal(size=(2, 20, 7)).astype(np.float32)
    pairs = list(zip(a.astype(float), b.astype(float), strict=True))
    np.testing.assert_allclose(cosine_distance(a, b), [cosine(x, y) for x, y in pairs], rtol=1e-9)
    np.testing.assert_allclose(euclidean_distance(a, b), [euclidean(x, y) for x, y in pairs], rtol=1e-9)


def test_distance_is_of_directions():
    a, b = np.array([[3.0, 0.0], [1.0, 1.0], [0, 0]]), np.array([[0.0, 5.0], [2.0, 2.0], [0, 0]])
    np.testing.assert_allclose(cosine_distance(a, b), [1, 0, 0], atol=1e-15)


def test_close_pairs_keep_their_digits():
    angle = 1e-7
    a, b = np.array([[1.0, 0.0]]), np.array([[np.cos(angle), np.sin(angle)]])
    assert cosine_distance(a, b)[0] == pytest.approx(angle**2 / 2, rel=1e-6)


def test_zero_features():
    a, b = np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [1, 1], [0, 0], [-1, 0]])
    np.testing.assert_allclose(cosine_distance(a, b), [0, 1, 1, 2])


@pytest.mark.parametrize("batch_size", [3, 10])
def test_accumulator(batch_size):
    """The extractor gives the pixels themselves, so features are known."""
    r = np.random.default_rng(1)
    real, fake = r.integers(0, 256, (2, 10, 2, 2, 1), dtype=np.uint8)
    extractor = SimpleNamespace(apply=lambda x: (x.reshape(len(x), -1).astype(jnp.float32), jnp.zeros((len(x), 1))))
    accumulator = module.start(Context(10, 10, 0, extractor="pixels"))
    for i in range(0, 10, batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), 9)
        images = jnp.asarray(fake[ids]), min(batch_size, 10 - i), jnp.asarray(real[ids])
        accumulator.update(OutputBatch(*images, {"pixels": extractor}.__getitem__))
    result = accumulator.result()
    pairs = list(zip(*(x.reshape(10, -1).astype(float) for x in (real, fake)), strict=True))
    expected = np.array([cosine(x, y) for x, y in pairs])
    assert result["value"] == pytest.approx(expected.mean(), rel=1e-9)
    assert result["spread"] == pytest.approx(expected.std(), rel=1e-9)
    assert result["standard_error"] == pytest.approx(expected.std() / np.sqrt(10), rel=1e-9)
    assert result["euclidean"] == pytest.approx(np.mean([euclidean(x, y) for x, y in pairs]), rel=1e-9)
