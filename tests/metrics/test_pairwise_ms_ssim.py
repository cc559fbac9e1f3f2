from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import pairwise_ms_ssim as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.ms_ssim import ms_ssim


def _images(count, seed, modes=None):
    """Smooth random images uint8 [count, 24, 24, 1], noisy copies of `modes` of them if it is given."""
    r = np.random.default_rng(seed)
    coarse = r.uniform(0, 255, (modes or count, 4, 4, 1))
    images = coarse.repeat(6, 1).repeat(6, 2)[np.arange(count) % (modes or count)]
    return np.clip(images + r.normal(size=images.shape) * 10, 0, 255).astype(np.uint8)


def _result(fake, real, batch_size=64, seed=0):
    context = Context(len(real), len(fake), seed, SimpleNamespace(images=real), image_shape=fake.shape[1:])
    accumulator = module.start(context)
    for i in range(0, len(fake), batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), len(fake) - 1)
        accumulator.update(OutputBatch(jnp.asarray(fake[ids]), min(batch_size, len(fake) - i), None, None))
    return accumulator.result()


def test_pairs_hold_every_image_equally_often_and_never_with_itself():
    pairs = module.random_pairs(11, 4, seed=0)
    assert pairs.shape == (20, 2)
    assert np.all(pairs[:, 0] != pairs[:, 1])
    for i in range(4):
        assert len(set(pairs[5 * i : 5 * i + 5].ravel().tolist())) == 10
    assert not np.array_equal(pairs, module.random_pairs(11, 4, seed=1))


def test_similarities_are_of_the_pairs_in_their_order(monkeypatch):
    images, pairs = _images(10, 0), module.random_pairs(10, 3, 0)
    expected = [ms_ssim(images[i][None], images[j][None], 255)[0] for i, j in pairs]
    monkeypatch.setattr(module, "_CHUNK_VALUES", 4 * 24 * 24)  # four pairs a chunk, so the last one is padded
    np.testing.assert_allclose(module.pair_similarities(images, pairs), expected, atol=1e-6)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_standard_error_is_that_of_repeated_draws(shared):
    """Of h(x, y) = shared (x + y) + x y, whose pairs with a number in common are correlated where shared > 0."""
    r = np.random.default_rng(0)
    means, errors = [], []
    for seed in range(600):
        x, pairs = r.normal(size=80), module.random_pairs(80, 5, seed)
        left, right = x[pairs.T]
        values = shared * (left + right) + left * right
        means.append(values.mean())
        errors.append(module.standard_error(values, pairs))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.12)
    if shared:  # pairs taken as independent would be far off
        naive = values.std() / np.sqrt(len(values))
        assert np.mean(errors) > 1.5 * naive


def test_value_is_the_mean_over_pairs_and_alike_real_images_suspect_nothing():
    fake, real = _images(300, 1), _images(200, 2)
    result = _result(fake, real)
    pairs = module.random_pairs(300, 5, 0)
    assert result["value"] == pytest.approx(module.pair_similarities(fake, pairs).mean(), abs=1e-6)
    assert result["difference"] == pytest.approx(result["value"] - result["real_value"], abs=1e-9)
    assert abs(result["difference"]) < 4 * result["difference_standard_error"]
    assert result["collapse_suspected"] is False
    assert "note" not in result
    assert (result["images"], result["pairs"], result["real_images"], result["real_pairs"]) == (300, 750, 200, 500)
    assert result["scales"] == 2


def test_few_modes_are_suspected():
    result = _result(_images(300, 1, modes=3), _images(200, 2))
    assert result["collapse_suspected"] is True
    assert result["difference"] > 0.1
    assert "mode collapse" in result["note"]


def test_at_most_so_many_images_are_held_whatever_the_batches(monkeypatch):
    monkeypatch.setattr(module, "_IMAGES", 50)
    fake, real = _images(200, 1), _images(200, 2)
    result = _result(fake, real, 64)
    assert (result["images"], result["pairs"], result["real_images"]) == (50, 125, 50)
    assert _result(fake, real, 33) == result
    assert _result(fake, real, 64, seed=1)["value"] != result["value"]


def test_too_small_images_are_unsuitable():
    assert "two scales" in module.unsuitable((8, 8, 1))
    assert module.unsuitable((24, 24, 1)) is None
