"""The pair metrics `lpips_alex` and `lpips_vgg` with networks that need no weights."""

import importlib

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.metrics import selection
from jaxgen.metrics.base import Context
from jaxgen.metrics.extractors import lpips
from jaxgen.metrics.image_set import OutputBatch
from jaxgen.settings.default import get_config

from .stand_ins import projection

MODULES = ["lpips_alex", "lpips_vgg"]


@pytest.mark.parametrize("name", MODULES)
def test_the_mean_over_pairs_of_what_the_network_says(monkeypatch, name):
    metric = importlib.import_module(f"jaxgen.metrics.{name}")
    network = importlib.import_module(f"jaxgen.metrics.extractors.{name}")

    class Squares:
        name = network.NETWORK

        def distance(self, a, b):
            assert float(jnp.abs(a).max()) <= 1
            return jnp.square(a - b).mean((1, 2, 3))

    monkeypatch.setattr(network, "load", Squares)
    real, fake = np.random.default_rng(0).integers(0, 256, (2, 5, 32, 32, 3), np.uint8)
    measured = metric.start(Context(0, 5, 5))
    measured.update(OutputBatch(jnp.asarray(fake[:3]), 3, jnp.asarray(real[:3]), None))
    measured.update(OutputBatch(jnp.asarray(fake[3:]), 2, jnp.asarray(real[3:]), None))
    result = measured.result()
    expected = np.square((real.astype(float) - fake) / 127.5).mean((1, 2, 3))
    assert result["value"] == pytest.approx(expected.mean(), rel=1e-5)
    assert result["spread"] == pytest.approx(expected.std(), rel=1e-5)
    assert result["network"] == network.NETWORK
    assert metric.DIRECTION == "lower"


@pytest.mark.parametrize(("name", "side"), [("lpips_alex", 31), ("lpips_vgg", 16)])
def test_images_that_the_network_cannot_judge(monkeypatch, name, side):
    metric = importlib.import_module(f"jaxgen.metrics.{name}")
    monkeypatch.setattr(lpips, "obstacle", lambda weights: None)
    reason = metric.unsuitable((side - 1, side - 1, 3))
    assert f"needs {side} pixels a side. The images have {side - 1}x{side - 1}" in reason
    assert "4 channels" in metric.unsuitable((64, 64, 4))
    assert metric.unsuitable((side, side, 1)) is None
    monkeypatch.setattr(lpips, "obstacle", lambda weights: "no weights")
    assert metric.unsuitable((64, 64, 3)) == "no weights"


def test_the_smallest_image_goes_through_alexnet():
    from jaxgen.metrics.extractors import lpips_alex

    r, tensors, channels = np.random.default_rng(0), {}, 3
    for i, side in enumerate((11, 5, 3, 3, 3)):
        tensors[f"conv{i}.kernel"] = r.normal(size=(side, side, channels, 4))
        tensors[f"conv{i}.bias"], channels = r.normal(size=4), 4
        tensors[f"linear{i}"] = r.uniform(size=4)
    network = lpips.Lpips("narrow", lpips.params_from(tensors), lpips_alex.activations, lpips_alex.MIN_SIDE)
    images = r.uniform(-1, 1, (2, 1, lpips_alex.MIN_SIDE, lpips_alex.MIN_SIDE, 3)).astype(np.float32)
    sides = [y.shape[1] for y in network.activations(network.params["layers"], jnp.asarray(images[0]))]
    assert sides == [7, 3, 1, 1, 1]
    assert float(network.distance(*images)[0]) > 0


def test_without_a_classifier_inception_score_is_skipped_with_the_mend():
    from jaxgen.metrics import fid, inception_score

    bare = projection(classes=0)._replace(name="inception", canonical=True, classes=0, weights_from="the package p 1.0")

    class Networks:
        chosen = "inception"

        def __call__(self, name):
            return bare

    modules = {"fid": fid, "inception_score": inception_score}
    views = ["sample"]
    selected, skipped = selection.select(modules, views, (32, 32, 3), lambda use: "", Networks())
    assert [metric.key for metric in selected] == ["fid"]
    assert (
        "the package p 1.0 does not hold. Give the full file by evaluation.extractor_weights"
        in skipped["inception_score"]
    )
    assert get_config().evaluation.extractor_weights == ""  # the key that the line names
