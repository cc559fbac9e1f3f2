from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import perceptual_path_length as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.extractors import lpips, lpips_vgg
from jaxgen.metrics.perceptual_path_length import EPSILON, filtered_mean, path_lengths, shrunk


def _squared(a, b):
    return jnp.square(a - b).sum((1, 2, 3))


def _straight_paths(n, seed=0, side=4):
    """Images that move at a constant speed of their own, and the squared speeds."""
    r = np.random.default_rng(seed)
    start = r.uniform(-0.5, 0.5, (n, side, side, 1))
    speed = r.normal(size=start.shape) * r.uniform(0.1, 3, (n, 1, 1, 1))
    ends = (start, start + EPSILON * speed)
    return [jnp.asarray(images, jnp.float32) for images in ends], np.square(speed).sum((1, 2, 3))


def _result(accumulator, images, batch_size):
    n = len(images[0])
    for i in range(0, n, batch_size):
        ids = np.minimum(np.arange(i, i + batch_size), n - 1)
        accumulator.update(OutputBatch(tuple(x[ids] for x in images), min(batch_size, n - i), None, None))
    return accumulator.result()


@pytest.mark.parametrize("batch_size", [64, 250])
def test_straight_paths_have_their_squared_speed(batch_size):
    images, lengths = _straight_paths(250)
    context = Context(0, 250, 0, info={"path": {"space": "z"}})
    result = _result(path_lengths(_squared, context, network="none"), images, batch_size)
    assert result["value"] == pytest.approx(filtered_mean(lengths), rel=1e-3)
    assert result["unfiltered"] == pytest.approx(lengths.mean(), rel=1e-3)
    assert (result["epsilon"], result["space"], result["network"]) == (1e-4, "z", "none")


def test_spread_is_that_of_other_paths():
    values, spreads = [], []
    for seed in range(40):
        images, _ = _straight_paths(300, seed, side=1)
        result = _result(path_lengths(_squared, Context(0, 300, 0)), images, 300)
        values.append(result["value"])
        spreads.append(result["spread"])
    assert np.mean(spreads) == pytest.approx(np.std(values), rel=0.35)


def test_filter_keeps_the_percentiles_themselves():
    lengths = np.random.default_rng(0).permutation(1001.0 * np.arange(201))
    # Of 201 lengths the 1st percentile lies at the third smallest, the 99th at the third largest.
    assert filtered_mean(lengths) == pytest.approx(1001 * np.arange(2, 199).mean())
    outlier = np.append(np.ones(999), 1e9)
    assert filtered_mean(outlier) == 1.0
    assert filtered_mean(np.array([2.0, 4.0])) == 3.0


@pytest.mark.parametrize(("side", "expected"), [(511, 511), (512, 256), (1024, 256), (770, 256)])
def test_large_images_become_means_of_blocks(side, expected):
    images = np.random.default_rng(0).normal(size=(1, side, side, 1)).astype(np.float32)
    small = np.asarray(shrunk(jnp.asarray(images)))
    assert small.shape == (1, expected, expected, 1)
    factor = side // expected
    assert small[0, 3, 5, 0] == pytest.approx(
        images[0, 3 * factor : 4 * factor, 5 * factor : 6 * factor].mean(), abs=1e-6
    )


def test_whole_grey_levels_are_refused():
    images = jnp.zeros((2, 4, 4, 1), jnp.uint8)
    with pytest.raises(ValueError, match=r"uint8 images. Whole grey levels would hide steps of 0\.0001"):
        path_lengths(_squared, Context(0, 2, 0)).update(OutputBatch((images, images), 2, None, None))


def test_unsuitable_images_and_missing_weights(monkeypatch):
    monkeypatch.setattr(lpips, "obstacle", lambda weights: "needs the weights")
    assert "needs 16 pixels a side. The images have 8x8" in module.unsuitable((8, 8, 1))
    assert "4 channels" in module.unsuitable((32, 32, 4))
    assert module.unsuitable((32, 32, 3)) == "needs the weights"
    monkeypatch.setattr(lpips, "obstacle", lambda weights: None)
    assert module.unsuitable((32, 32, 3)) is None


def test_start_measures_by_lpips(monkeypatch):
    network = SimpleNamespace(name=lpips_vgg.NETWORK, distance=lambda a, b: 3 * _squared(a, b))
    monkeypatch.setattr(lpips_vgg, "load", lambda: network)
    images, lengths = _straight_paths(100)
    result = _result(module.start(Context(0, 100, 0)), images, 100)
    assert result["value"] == pytest.approx(3 * filtered_mean(lengths), rel=1e-3)
    assert result["network"] == "LPIPS v0.1, VGG16"
