import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.evaluation.engine import Stopped, check, evaluate
from jaxgen.metrics.extractors import efficientnet_lite0
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.frechet import Distance, FeatureStatistics, frechet_distance
from jaxgen.metrics.image_set import ImageSource
from jaxgen.metrics.psnr import psnr
from jaxgen.metrics.records import format_table
from jaxgen.metrics.ssim import ssim

PROJECTION = np.random.default_rng(9).normal(size=(16 * 16, 5)).astype(np.float32)


def _tiny_features(images):
    features = images.astype(np.float32).mean(-1).reshape(len(images), -1) / 255 @ PROJECTION
    return features, features[:, :2]


@pytest.fixture
def tiny(monkeypatch):
    """A metric `user.fd_tiny` and its extractor `user.tiny`, as a user would add by import path; counts its calls."""
    calls = []

    def apply(images):
        calls.append(images.shape)
        return jax.jit(_tiny_features)(images)

    extractor = Extractor("user.tiny", "ab" * 32, 16, "none", "x / 255", 5, apply)
    parts = {
        "user": types.ModuleType("user"),
        "user.tiny": types.SimpleNamespace(__name__="user.tiny", load=lambda: extractor),
        "user.fd_tiny": types.SimpleNamespace(
            __name__="user.fd_tiny",
            NEEDS="sample",
            DIRECTION="lower",
            MIN_SAMPLES=20,
            EXTRACTOR="user.tiny",
            USES=("real.statistics",),
            start=lambda c: Distance("user.tiny", c.real.statistics("user.tiny"), c.n_fake, c.seed),
        ),
    }
    for name, module in parts.items():
        monkeypatch.setitem(sys.modules, name, module)
    return calls


def _real(n=50, size=16, seed=0):
    r = np.random.default_rng(seed)
    return r.integers(0, 256, (n, size, size, 1), dtype=np.uint8)


FAKES = _real(60, seed=1)
VIEWS = {"sample": lambda ids: FAKES[ids], "reconstruct": lambda images: images // 2 + 30}


def _settings(**changes):
    keys = {"metrics": ("psnr", "ssim", "user.fd_tiny"), "num_samples": 45, "batch_size": 10}
    return ConfigDict({**keys, "seed": 0, "allow_few_samples": False, **changes})


def _evaluate(settings=None, real=None, views=VIEWS, **options):
    options = {"split": "test", "progress": False, **options}
    return evaluate(settings or _settings(), _real() if real is None else real, views, **options)


def _without_times(results):
    return {
        name: {key: value for key, value in record.items() if not key.startswith("seconds")}
        for name, record in results.items()
    }


def test_values_equal_the_metrics_computed_at_once(tiny):
    results, real = _evaluate(), _real()
    copies = real[:45] // 2 + 30
    assert results["psnr"]["value"] == pytest.approx(np.asarray(psnr(real[:45], copies, 255)).mean(), rel=1e-6)
    assert results["ssim"]["value"] == pytest.approx(np.asarray(ssim(real[:45], copies, 255)).mean(), rel=1e-6)
    a, b = (FeatureStatistics.of(_tiny_features(x)[0]) for x in (real, FAKES[:45]))
    assert results["user.fd_tiny"]["value"] == pytest.approx(frechet_distance(a, b), rel=1e-4)
    assert results["user.fd_tiny"]["spread"] > 0


def test_records_say_all_they_depend_on(tiny):
    results = json.loads(json.dumps(_evaluate(), allow_nan=False))
    assert list(results) == ["psnr", "ssim", "user.fd_tiny", "_skipped"]
    assert results["_skipped"] == {}
    record = results["user.fd_tiny"]
    assert (record["n_real"], record["n_fake"], record["split"], record["direction"]) == (50, 45, "test", "lower")
    assert (record["extractor"], record["resize"], record["side"]) == ("user.tiny", "none", 16)
    assert record["weights_sha256"] == "ab" * 32
    assert record["seconds"] >= 0
    assert (results["psnr"]["n_real"], results["psnr"]["n_fake"], results["psnr"]["extractor"]) == (45, 45, None)


@pytest.mark.parametrize("batch_size", [1, 7, 45, 64])
def test_results_do_not_depend_on_the_batch_size(tiny, batch_size):
    expected, results = _evaluate(), _evaluate(_settings(batch_size=batch_size))
    for name in ("psnr", "ssim", "user.fd_tiny"):
        for key in ("value", "spread"):
            assert results[name][key] == pytest.approx(expected[name][key], rel=1e-4)


def test_batches_have_one_shape_and_each_image_is_made_once(tiny):
    seen, pairs = [], []

    def sample(ids):
        assert ids.dtype == np.int32
        seen.append(ids)
        return FAKES[ids]

    def reconstruct(images):
        pairs.append(images.shape)
        return np.asarray(images)

    _evaluate(_settings(metrics=("user.fd_tiny", "ssim", "psnr")), views={"sample": sample, "reconstruct": reconstruct})
    assert [len(ids) for ids in seen] == [10] * 5
    assert np.unique(np.concatenate(seen)).tolist() == list(range(45))
    assert pairs == [(10, 16, 16, 1)] * 5
    # The network sees each of the 45 samples and 50 real images once, and nothing of the last batch's padding.
    assert set(tiny) == {(10, 16, 16, 1), (5, 16, 16, 1)}
    assert sum(shape[0] for shape in tiny) == 45 + 50


def test_spread_over_four_devices_gives_the_same(tiny):
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    expected = _without_times(_evaluate(_settings(batch_size=12)))
    results = _evaluate(_settings(batch_size=12), place=lambda batch: jax.device_put(batch, sharding))
    for name, record in _without_times(results).items():
        assert record.keys() == expected[name].keys()
        for key in record.keys() & {"value", "spread"}:
            assert record[key] == pytest.approx(expected[name][key], rel=1e-4)


def test_views_may_answer_on_the_device(tiny):
    views = {"sample": lambda ids: jnp.asarray(FAKES)[ids], "reconstruct": lambda images: jnp.asarray(images) // 2 + 30}
    assert _evaluate(views=views)["psnr"]["value"] == pytest.approx(_evaluate()["psnr"]["value"])


def test_wrong_images_from_a_view_are_an_error(tiny):
    with pytest.raises(ValueError, match="float32"):
        _evaluate(views={"sample": lambda ids: FAKES[ids].astype(np.float32)})
    with pytest.raises(ValueError, match="not uint8"):
        _evaluate(views={"sample": lambda ids: FAKES[ids][:, :8]})


def test_what_a_model_does_not_offer_is_skipped_with_the_reason(tiny):
    results = _evaluate(views={"sample": VIEWS["sample"], "reconstruct": None})
    assert set(results) == {"user.fd_tiny", "_skipped"}
    assert results["_skipped"]["psnr"].startswith("needs the view 'reconstruct'. The run offers sample")
    assert "ssim" in results["_skipped"]


class _Noted:
    """A metric that keeps what it is given of each batch."""

    def __init__(self):
        self.batches = []

    def update(self, batch):
        self.batches.append((batch.host(batch.output), None if batch.real is None else batch.host(batch.real)))

    def result(self):
        return {"value": float(len(self.batches)), "spread": None}


@pytest.mark.parametrize(
    ("view", "expected", "n_real"),
    [
        (lambda images, ids: images.mean((1, 2, 3)) + ids, lambda real: real[:45].mean((1, 2, 3)) + np.arange(45), 45),
        (lambda ids, scale=2: scale * ids, lambda real: 2 * np.arange(45), 50),
    ],
)
def test_a_view_of_any_name_is_measured_and_called_with_what_it_names(tiny, monkeypatch, view, expected, n_real):
    module, noted = sys.modules["user.fd_tiny"], _Noted()
    module.__dict__.update(NEEDS="dream", EXTRACTOR=None, USES=(), start=lambda context: noted)
    results, real = _evaluate(_settings(metrics=("user.fd_tiny",)), views={**VIEWS, "dream": view}), _real()
    record = results["user.fd_tiny"]
    assert (record["view"], record["value"], record["n_real"], record["n_fake"]) == ("dream", 5.0, n_real, 45)
    outputs, reals = zip(*noted.batches, strict=True)
    np.testing.assert_allclose(np.concatenate(outputs), expected(real), rtol=1e-6)
    if n_real == 45:
        np.testing.assert_array_equal(np.concatenate(reals), real[:45])
    else:
        assert set(reals) == {None}
    skipped = _evaluate(_settings(metrics=("user.fd_tiny",)))["_skipped"]["user.fd_tiny"]
    assert skipped == "needs the view 'dream'. The run offers sample, reconstruct"


def test_a_view_that_needs_the_classes_of_its_images_gets_them(tiny):
    labels, seen = np.arange(50, dtype=np.int32) % 7, []

    def reconstruct(images, image_labels):
        seen.append(image_labels)
        return np.minimum(np.asarray(images), 200)

    views = {"sample": VIEWS["sample"], "reconstruct": reconstruct}
    settings = _settings(metrics=("psnr",))
    result = evaluate(settings, ImageSource(_real(), labels), views, progress=False)
    np.testing.assert_array_equal(np.concatenate(seen)[:45], labels[:45])
    assert result["psnr"]["n_fake"] == 45
    result = evaluate(settings, ImageSource(_real()), views, progress=False)
    assert result["_skipped"]["psnr"].startswith("needs the view 'reconstruct'")


def test_metrics_of_one_extractor_share_the_reference_and_the_features(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "user.fd_again", sys.modules["user.fd_tiny"])
    results = _evaluate(_settings(metrics=("user.fd_tiny", "user.fd_again")))
    assert len(tiny) == 10
    assert results["user.fd_again"]["value"] == results["user.fd_tiny"]["value"]


def test_ssim_of_images_below_its_window_is_skipped(tiny):
    results = _evaluate(_settings(metrics=("psnr", "ssim")), real=_real(size=8))
    assert "11x11" in results["_skipped"]["ssim"]
    assert results["psnr"]["value"] > 0


def test_unknown_metrics_list_the_choices(tiny):
    with pytest.raises(UserError, match=r"evaluation\.metrics='ssmi' is unknown: did you mean 'ssim'\?"):
        _evaluate(_settings(metrics=("ssmi",)))
    with pytest.raises(UserError, match="fd_efficientnet_lite0"):
        _evaluate(_settings(metrics=("x",)))
    with pytest.raises(UserError, match="no module"):
        _evaluate(_settings(metrics=("no_such_package.metric",)))
    sys.modules["user.fd_tiny"].__dict__.pop("NEEDS")
    with pytest.raises(UserError, match="has no NEEDS"):
        _evaluate(_settings(metrics=("user.fd_tiny",)))


@pytest.mark.parametrize("change", [{"num_samples": 0}, {"batch_size": 0}])
def test_bad_numbers_are_named(tiny, change):
    with pytest.raises(UserError, match=next(iter(change))):
        _evaluate(_settings(**change))


def test_an_empty_split_is_refused(tiny):
    with pytest.raises(UserError, match="'test' has no images"):
        _evaluate(real=_real(0))


def test_check_refuses_what_evaluate_would(tiny):
    check(_settings(), _real(), {"sample": VIEWS["sample"]}, "test")
    for changes, real, message in (
        ({"num_samples": 19}, _real(), "user.fd_tiny needs at least 20 images"),
        ({"metrics": ("psnrr",)}, _real(), "did you mean 'psnr'"),
        ({"batch_size": 0}, _real(), "batch_size=0"),
        ({}, _real(n=0), "has no images"),
    ):
        with pytest.raises(UserError, match=message):
            check(_settings(**changes), real, VIEWS, "test")
    assert tiny == []  # no feature was computed


def test_too_few_samples_are_refused_before_any_work_or_marked(tiny):
    with pytest.raises(UserError, match=r"user\.fd_tiny needs at least 20 images and has 50 real and 19 generated"):
        _evaluate(_settings(num_samples=19))
    with pytest.raises(UserError, match="15 real and 45 generated"):
        _evaluate(real=_real(15))
    assert tiny == []
    results = _evaluate(_settings(num_samples=19, allow_few_samples=True))
    assert results["user.fd_tiny"]["few_samples"] is True
    assert results["user.fd_tiny"]["min_samples"] == 20
    assert "few_samples" not in results["psnr"]
    assert "Do not compare" in format_table(results)


@pytest.mark.parametrize("after", [0, 3, 8])
def test_stop_stops(tiny, after):
    asked = iter(range(100))
    with pytest.raises(Stopped):
        _evaluate(stop=lambda: next(asked) >= after)


def test_infinity_becomes_null_with_a_note(tiny):
    results = json.loads(json.dumps(_evaluate(views={"reconstruct": lambda images: images}), allow_nan=False))
    assert results["psnr"]["value"] is None
    assert "value is inf" in results["psnr"]["note"]
    assert results["psnr"]["identical_pairs"] == 45
    assert results["ssim"]["value"] == 1
    assert "value is inf" in format_table(results)


def test_table_has_a_line_for_each_metric(tiny):
    results = _evaluate(views={"sample": VIEWS["sample"]})
    table = format_table({**results, "_run": {"step": 1}})
    assert f"{results['user.fd_tiny']['value']:.4f}" in table
    assert "psnr: skipped, needs the view 'reconstruct'" in table
    assert "_run" not in table


def _cached(tmp_path, tiny, caplog, **options):
    """Result, calls to the extractor, and what was said, of an evaluation with a cache."""
    tiny.clear()
    caplog.clear()
    value = _evaluate(_settings(metrics=("user.fd_tiny",)), cache_dir=tmp_path, **options)["user.fd_tiny"]["value"]
    return value, len(tiny), caplog.text


def test_reference_statistics_are_cached_by_content(tmp_path, tiny, caplog):
    first, calls, _ = _cached(tmp_path, tiny, caplog)
    assert calls == 10
    again, calls, text = _cached(tmp_path, tiny, caplog)
    assert (calls, text) == (5, "")
    assert again == pytest.approx(first, rel=1e-9)
    other, calls, _ = _cached(tmp_path, tiny, caplog, real=_real(seed=5))
    assert calls == 10
    assert other != first
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "damaged"),
        (lambda path: path.write_bytes(b"hello"), "damaged"),
        (lambda path: _rewrite(path, mu=np.full(5, np.nan)), "not finite"),
        (lambda path: _rewrite(path, sigma=np.eye(4)), "shapes"),
        (lambda path: _rewrite(path, weights_sha256="cd" * 32), "another weights_sha256"),
        (lambda path: _rewrite(path, resize="other"), "another resize"),
        (lambda path: _rewrite(path, ddof=0), "another ddof"),
        (lambda path: _rewrite(path, data_sha256="0"), "another data_sha256"),
    ],
)
def test_damaged_or_foreign_caches_are_rebuilt_loudly(tmp_path, tiny, caplog, damage, word):
    first, _, _ = _cached(tmp_path, tiny, caplog)
    (path,) = tmp_path.iterdir()
    damage(path)
    again, calls, text = _cached(tmp_path, tiny, caplog)
    assert word in text
    assert path.name in text
    assert (again, calls) == (pytest.approx(first, rel=1e-9), 10)
    assert _cached(tmp_path, tiny, caplog)[1:] == (5, "")


def _rewrite(path, mu=None, sigma=None, **metadata):
    with np.load(path) as file:
        record = {**json.loads(str(file["metadata"])), **metadata}
        mu, sigma = file["mu"] if mu is None else mu, file["sigma"] if sigma is None else sigma
    np.savez(path, mu=mu, sigma=sigma, metadata=np.array(json.dumps(record)))


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path, tiny, caplog):
    (tmp_path / "file").write_text("in the way")
    value, _, text = _cached(tmp_path / "file", tiny, caplog)
    assert value > 0
    assert "cannot be written (File exists)" in text


def test_the_real_extractor_through_the_whole_path(monkeypatch):
    small = efficientnet_lite0.load(side=32)
    monkeypatch.setattr(efficientnet_lite0, "load", lambda: small)
    settings = _settings(metrics=("fd_efficientnet_lite0",), num_samples=4, batch_size=4, allow_few_samples=True)
    real = _real(4)
    record = _evaluate(settings, real=real, views={"sample": lambda ids: real[ids]})["fd_efficientnet_lite0"]
    assert record["value"] == pytest.approx(0, abs=1e-3)
    assert (record["few_samples"], record["min_samples"], record["side"]) == (True, 2048, 32)
    assert format_table({"fd_efficientnet_lite0": record})


def test_a_direction_that_is_none_is_refused(tiny):
    sys.modules["user.fd_tiny"].DIRECTION = "0.5"
    assert _evaluate()["user.fd_tiny"]["direction"] == "0.5"
    sys.modules["user.fd_tiny"].DIRECTION = "up"
    with pytest.raises(UserError, match=r"user\.fd_tiny: DIRECTION='up': choices: lower, higher, none, or the best"):
        _evaluate()
