import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import feature_path_length as module
from jaxgen.metrics.base import Context, OutputBatch
from jaxgen.metrics.extractors import efficientnet_lite0
from jaxgen.metrics.feature_distance import cosine_distance
from jaxgen.metrics.feature_path_length import EPSILON
from jaxgen.metrics.perceptual_path_length import filtered_mean


def test_features_on_a_circle_have_their_squared_angular_speed():
    """The extractor turns a pixel's grey level into an angle, so lengths are known: (127.5 speed)^2."""
    r = np.random.default_rng(0)
    start, speed = r.uniform(-1, 1, (200, 1, 1, 1)), r.uniform(0.5, 2, (200, 1, 1, 1))
    images = [jnp.asarray(x, jnp.float32) for x in (start, start + EPSILON * speed)]

    def extract(images):
        assert images.dtype == jnp.float32
        angle = np.asarray(images, np.float64).reshape(-1)
        return 7 * np.stack([np.cos(angle), np.sin(angle)], 1), None

    accumulator = module.start(Context(0, 200, 0, extractor="angle", extract=extract))
    accumulator.update(OutputBatch(tuple(images), 200, None, None))
    result = accumulator.result()
    exact = np.square(127.5 * speed.ravel())
    # float32 pixels hold steps of 1e-4 to a thousandth.
    assert result["value"] == pytest.approx(filtered_mean(exact), rel=2e-3)


@pytest.mark.full
def test_a_real_network_takes_float_images_and_resolves_the_step():
    extract = efficientnet_lite0.load(side=64).apply
    r = np.random.default_rng(0)
    start, end = r.uniform(-0.8, 0.8, (2, 4, 8, 8, 3)).repeat(4, 2).repeat(4, 3)

    def lengths(step):
        images = (start + step * (end - start), start)
        features = (extract(((x + 1) * 127.5).astype(np.float32))[0] for x in images)
        return 2 * cosine_distance(*features) / step**2

    np.testing.assert_allclose(lengths(EPSILON), lengths(10 * EPSILON), rtol=0.1)
