"""`python -m jaxgen.statistics`, in this process, with a small extractor of the user's own."""

import json
import logging
import sys
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxgen import statistics
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.base import Extractor

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")


@pytest.fixture(autouse=True)
def extractor(monkeypatch):
    def apply(images):
        halves = jnp.asarray(images, jnp.float32).reshape(len(images), 2, -1).mean(2)
        return halves, halves

    module = ModuleType("user.halves")
    module.load = lambda **_: Extractor("user.halves", "none", 0, "none", "none", 2, apply, label="halves")
    monkeypatch.setitem(sys.modules, "user", ModuleType("user"))
    monkeypatch.setitem(sys.modules, "user.halves", module)
    monkeypatch.setattr(statistics, "keep_compiled", lambda **_: None)
    return module


@pytest.fixture
def call(tmp_path, capsys):
    """Exit code, output and errors of the command."""

    def run(*arguments):
        options = ["--cache_dir", str(tmp_path / "cache")]
        code = statistics.main([*arguments, *options])
        logging.getLogger("jaxgen").setLevel(logging.NOTSET)
        return code, *capsys.readouterr()

    return run


MADE = ("--data", "digits", "--extractor", "user.halves")


def test_statistics_are_those_of_the_images_and_say_so(call, tmp_path):
    code, out, _ = call(*MADE, "--split", "test", "train", "--batch_size", "64")
    assert code == 0
    first, second = out.splitlines()
    assert first.startswith("digits:test: 360 images through halves, made: ")
    assert second.startswith("digits:train: 1,437 images through halves, made: ")
    saved = statistics_file.load(tmp_path / "cache" / "statistics" / second.rpartition("/")[2])
    images = load_digits().images
    assert saved.n == 1437
    assert {"data_sha256", "extractor", "resize", "scale", "weights_sha256"} <= set(saved.metadata)
    both = 360 * statistics_file.load(tmp_path / "cache" / "statistics" / first.rpartition("/")[2]).mean
    halves = np.round(images / 16 * 255).reshape(len(images), 2, -1).mean((0, 2))
    np.testing.assert_allclose((both + 1437 * saved.mean) / 1797, halves, atol=0.5)


def test_what_is_there_is_not_made_again_and_is_listed(call, tmp_path, extractor):
    call(*MADE)
    path = next((tmp_path / "cache" / "statistics").glob("reference_*.npz"))
    before = path.read_bytes()
    assert "was there" in call(*MADE)[1]
    assert path.read_bytes() == before
    statistics_file.write_arrays(path.with_suffix(".part.npz"), n=np.array(1200))
    out = call()[1]
    assert f"{path.name}: digits:test, 360 images, user.halves (none)" in out
    assert "unfinished, after 1,200 images" in out


def test_features_of_a_small_set_are_kept_too(call, tmp_path):
    call(*MADE)
    (file,) = (tmp_path / "cache" / "statistics").glob("features_*.npz")
    features = np.load(file)["features"]
    saved = statistics_file.load(next((tmp_path / "cache" / "statistics").glob("reference_*.npz")))
    assert features.shape == (360, 2)
    np.testing.assert_allclose(saved.mean, features.mean(0), rtol=1e-6)
    file.unlink()
    assert "made" in call(*MADE)[1]  # by another pass
    np.testing.assert_array_equal(np.load(file)["features"], features)


def test_a_copy_serves_as_a_source(call, tmp_path):
    copy = tmp_path / "digits.npz"
    assert str(copy) in call(*MADE, "--out", str(copy))[1]
    saved = statistics_file.load(copy)
    assert json.loads(json.dumps(saved.metadata))["split"] == "digits:test"


def test_an_experiment_decides_size_and_split(call, tmp_path):
    config = tmp_path / "mine.py"
    lines = ["from jaxgen.settings import default", "def get_config():", "    config = default.get_config()"]
    lines += ["    config.data.update({'image_size': 12, 'test_split': 'train'})", "    return config"]
    config.write_text("\n".join(lines))
    first = call(*MADE, "--split", "train", "--image_size", "12")[1].rpartition("/")[2]
    second = call("--config", str(config), "--extractor", "user.halves")[1]
    assert "digits:train: 1,437 images through halves, was there" in second
    assert second.rpartition("/")[2] == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "digitz"), "did you mean 'digits'"),
        (("--data", "digits", "--split", "tset"), "digits has the splits train, test"),
        (("--data", "digits", "--config", "dcgan_digits"), "--data and --config conflict"),
        (("--data", "gaussian_ring"), "has vectors"),
        (("--split", "test"), "--data or --config is missing"),
        ((*MADE, "--split", "test", "train", "--out", "x.npz"), "--out=x.npz is one file, but 2 splits are named"),
        (("--config", "study_digits"), "is a study. Name an experiment of it: gan_digits"),
        ((*MADE, "--batch_size", "0"), "--batch_size must be at least 1"),
    ],
)
def test_bad_input_is_one_line(call, arguments, words):
    code, _, errors = call(*arguments)
    assert code == 2
    assert words in errors.splitlines()[-1]
