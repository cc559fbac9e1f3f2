"""Every metric with 1 or 2 images or rows, with images of one colour, and with numbers that are not finite."""

import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.evaluation.engine import evaluate
from jaxgen.metrics import (
    classifier,
    dci,
    factor_vae_score,
    kid,
    ks_complement,
    lpips_alex,
    lpips_vgg,
    perceptual_path_length,
    tabular,
)
from jaxgen.metrics.extractors import efficientnet_lite0
from jaxgen.metrics.extractors import lpips_alex as network_alex
from jaxgen.metrics.extractors import lpips_vgg as network_vgg
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.image_set import ImageSource
from jaxgen.settings import lookup

from .stand_ins import NearestMean

SIDE = 22  # so that MS-SSIM has its second scale
PROJECTION = np.random.default_rng(9).normal(size=(SIDE * SIDE, 5)).astype(np.float32)
COLUMNS = [["a", [], False], ["b", [], False], ["c", ["x", "y", "z"], False], ["k", ["p", "q"], True]]
# Of two equal sets. The others depend on the images.
OF_EQUAL_SETS = {
    **dict.fromkeys(("fid", "fid_infinity", "fd_efficientnet_lite0", "frechet_columns", "wasserstein_1d"), 0),
    **dict.fromkeys(("feature_distance", "lpips_alex", "lpips_vgg", "class_histogram", "class_ratio"), 0),
    "intra_class_fid": 0,
    **dict.fromkeys(("ssim", "ms_ssim", "precision", "recall", "coverage"), 1),
    **dict.fromkeys(("ks_complement", "correlation_similarity"), 1),
}
METRICS = lookup.choices("metrics")
TRIPLES = tuple(map(str, range(1_000)))
UINT8_OR_INT = ("sample", "reconstruct", "clusters")  # views whose output is always a number


@jax.jit
def _features(images):
    features = images.astype(jnp.float32).mean(-1).reshape(len(images), -1) / 255 @ PROJECTION
    return features, features[:, :3]


class _Distance:
    """Stands for LPIPS, whose weights are no part of the tests."""

    name = "squares"

    def distance(self, a, b):
        return jnp.square(a - b).mean((1, 2, 3))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Feature networks and forests that take no time."""
    name = "efficientnet_lite0"
    tiny = Extractor(name, "ab" * 32, SIDE, "none", "x / 255", 5, _features, name, classes=3)
    monkeypatch.setattr(efficientnet_lite0, "load", lambda **options: tiny)
    for module in (network_alex, network_vgg):
        monkeypatch.setattr(module, "load", _Distance)
    for module in (lpips_alex, lpips_vgg, perceptual_path_length):
        monkeypatch.setattr(module, "unsuitable", lambda shape: None)
    monkeypatch.setattr(classifier, "train", NearestMean)
    monkeypatch.setattr(dci, "ROUNDS", 2)
    monkeypatch.setattr(factor_vae_score, "VOTES", {"train": 50, "test": 50})
    monkeypatch.setattr(tabular, "TREES", 3)
    monkeypatch.setattr(kid, "SUBSETS", 3)


def images(count, kind, seed):
    if kind == "constant":
        return np.full((count, SIDE, SIDE, 3), 7, np.uint8)
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def rows(count, kind, seed):
    r = np.random.default_rng(seed)
    if kind == "constant":
        return np.tile(np.float32([1, 2, 1, 0]), (count, 1))
    parts = r.normal(size=count), 10 * r.normal(size=count), r.integers(0, 3, count), np.arange(count) % 2
    return np.stack(parts, 1).astype(np.float32)


def measured(name, n_real, n_fake, kind, train="random", **options):
    """The record of a metric of so many real and generated examples. kind, train: of these and of the training data."""
    settings = ConfigDict({"metrics": (name,), "num_samples": n_fake, "batch_size": 4, "seed": 0})
    settings.allow_few_samples = True
    module = lookup.module("metrics", name, "evaluation.metrics")
    make = rows if module.NEEDS == "points" else images
    real, fake, train = make(n_real, kind, 1), make(n_fake, kind, 2), make(30, train, 3)
    if kind == "equal":
        fake = real[np.arange(n_fake) % n_real]
    factor = {"nan": np.nan, "inf": np.inf}.get(kind, 1.0)
    labels = [np.arange(len(part), dtype=np.int32) % 2 for part in (real, train)]
    facts = {"log_likelihood": {"dimensions": 10, "bound": "ELBO", "discrete": True}}
    facts["sample"] = {"labels": {"num_classes": 2, "class_shares": []}}
    if make is rows:
        if factor != 1:
            fake = np.full_like(fake, factor)
        if name == "wasserstein_1d":
            real, fake, train = (part[:, :1] for part in (real, fake, train))
        facts["points"] = {"columns": COLUMNS, "centres": np.float64([[0] * 4, [3] * 4]), "std": 1.0}
        views = {"points": lambda ids: fake[ids]}
    else:
        views = views_of(fake, factor)
    real, train = (
        ImageSource(part, known, TRIPLES if name == "stacked_modes" else ("p", "q"), split)
        for part, known, split in zip((real, train), labels, ("test", "train"), strict=True)
    )
    real = real._replace(factors={"a": np.arange(n_real) % 2, "b": np.arange(n_real) // 2 % 3})
    results = evaluate(settings, real, views, train=train, facts=facts, progress=False, **options)
    json.dumps(results, allow_nan=False)
    return next(iter(results.values()))


def views_of(fake, factor):
    """All views of images. `factor` makes what a model gives as numbers infinite or undefined."""

    def encode(images):
        mean = images.astype(jnp.float32).reshape(len(images), -1)[:, :4] / 255 * factor
        return mean, mean * 0

    def path(ids):
        return jnp.asarray(fake[ids] / np.float32(127.5) - 1) * factor, jnp.asarray(fake[ids] / np.float32(128))

    return {
        "sample": lambda ids: fake[ids],
        "reconstruct": lambda images, ids: fake[ids % len(fake)],
        "log_likelihood": lambda images: images.astype(jnp.float32).mean((1, 2, 3)) * factor,
        "encode": encode,
        "classify": lambda images: images.astype(jnp.float32).reshape(len(images), -1)[:, :2] * factor,
        "clusters": lambda images: (images[:, 0, 0, 0] % 3).astype(jnp.int32),
        "path": path,
    }


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_few_images_is_a_number_or_a_line(name):
    module = lookup.module("metrics", name, "evaluation.metrics")
    fewest = getattr(module, "FEWEST", 1)
    for n_real, n_fake in ((1, 1), (1, 9), (9, 1), (2, 2), (fewest, fewest)):
        # The number of pairs and encoded images is that of the smaller side. Paths and points have no other side.
        if min(n_real, n_fake) < fewest:
            with pytest.raises(UserError, match=rf"{name} does not exist for fewer than {fewest} images or rows"):
                measured(name, n_real, n_fake, "random")
            continue
        record = measured(name, n_real, n_fake, "random")
        assert np.isfinite(record["value"]), record
        assert record["spread"] is None or record["spread"] >= 0


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_equal_and_of_constant_images_is_right(name):
    found = measured(name, 12, 12, "equal")["value"]
    if name == "psnr":
        assert found is None  # infinite dB
    elif name in OF_EQUAL_SETS and name != "fid_infinity":  # its slope over six sizes is noise
        assert found == pytest.approx(OF_EQUAL_SETS[name], abs=1e-6)
    record = measured(name, 8, 8, "constant")
    if name == "psnr":
        assert record["value"] is None
    expected = {**OF_EQUAL_SETS, "kid": 0, "inception_score": 1, "pairwise_ms_ssim": 1, "active_units": 0}
    # Balls of radius 0 have no inside.
    expected |= {"duplicates": 1, "coverage": 0, "density": 0}
    if name in expected:
        assert record["value"] == pytest.approx(expected[name], abs=1e-5)


@pytest.mark.parametrize("name", [name for name in METRICS if lookup.module("metrics", name, "").NEEDS == "points"])
def test_a_metric_of_a_table_that_never_changes_is_a_number_or_has_a_reason(name):
    for kind in ("constant", "random"):
        record = measured(name, 8, 8, kind, train="constant")
        if name in ("correlation_similarity", "frechet_columns"):
            assert record["value"] is None
            assert "in the training split" in record["note"]
        else:
            assert np.isfinite(record["value"])


@pytest.mark.parametrize("kind", ["nan", "inf"])
@pytest.mark.parametrize(
    "name", [name for name in METRICS if lookup.module("metrics", name, "").NEEDS not in UINT8_OR_INT]
)
def test_what_a_model_gives_that_is_no_number_is_no_number_with_the_reason(name, kind):
    record = measured(name, 6, 6, kind)
    if name == "modes":
        assert record["value"] == 0  # no point is near a mode
        return
    assert record["value"] is None
    assert "not finite" in record["note"] or "value is" in record["note"] or "no finite" in record["note"]


def test_pictures_of_one_sample_or_row_are_drawn(tmp_path):
    for count in (1, 2):
        measured("ssim", count, count, "random", gallery=tmp_path / f"images{count}")
        measured("ks_complement", count, count, "random", gallery=tmp_path / f"rows{count}")
        assert list((tmp_path / f"images{count}").glob("*.png"))
        assert list((tmp_path / f"rows{count}").glob("*.png"))


def test_the_kolmogorov_smirnov_statistic_is_scipy_s():
    scipy_stats = importlib.import_module("scipy.stats")
    r = np.random.default_rng(0)
    for n, m in ((2, 3), (40, 7), (100, 100)):
        a, b = r.integers(0, 9, n), r.integers(2, 12, m)  # with ties
        expected = scipy_stats.ks_2samp(a, b, method="asymp").statistic
        assert ks_complement.largest_difference(a, b) == pytest.approx(expected, abs=1e-12)
    assert ks_complement.largest_difference(np.array([1.0]), np.array([2.0])) == 1
