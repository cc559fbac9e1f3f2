"""`python -m jaxgen.evaluate`, in this process, with a small extractor of the user's own."""

import json
import subprocess
import sys
import types

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgen import evaluate
from jaxgen.commands import compare_request
from jaxgen.errors import UserError
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.frechet import FeatureStatistics, frechet_distance

PROJECTION = np.random.default_rng(9).normal(size=(16 * 16 * 3, 5)).astype(np.float32)


@jax.jit
def _features(images):
    features = images.astype(np.float32).reshape(len(images), -1) / 255 @ PROJECTION
    return features, features[:, :2]


def _load(resize="", weights="", allow_other_weights=False):
    if weights:
        raise UserError(f"{weights}: not the known weights")
    if resize not in ("", "tiny"):
        raise UserError(f"resize={resize!r}: choices: tiny")
    return Extractor("user.tiny", "ab" * 32, 16, resize or "tiny", "x / 255", 5, _features, label="tiny")


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "user", types.ModuleType("user"))
    monkeypatch.setitem(sys.modules, "user.tiny", types.SimpleNamespace(__name__="user.tiny", load=_load))
    monkeypatch.setattr(evaluate, "keep_compiled", lambda cache_dir: None)

    def run(*arguments):
        options = ["--extractor", "user.tiny", "--cache_dir", str(tmp_path / "cache"), "--batch_size", "16"]
        code = evaluate.main([*options, *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(command):
    def run(*arguments):
        code, out, err = command(*arguments)
        lines = [line for line in err.splitlines() if line.startswith("jaxgen: error: ")]
        assert (code, len(lines)) == (2, 1), err
        assert "Traceback" not in err
        assert not out
        return lines[0]

    return run


@pytest.fixture
def data(tmp_path):
    """Real images as a zip's folder and fakes as an array, with the pixels of both."""
    r = np.random.default_rng(0)
    real, fake = (r.integers(low, 256, (count, 16, 16, 3), dtype=np.uint8) for low, count in ((0, 70), (20, 50)))
    folder = tmp_path / "real"
    folder.mkdir()
    for i, image in enumerate(real):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    np.save(tmp_path / "fake.npy", fake)
    return folder, tmp_path / "fake.npy", real, fake


def test_from_folder_and_array_to_a_named_number(command, data, tmp_path):
    folder, array, real, fake = data
    out = tmp_path / "out.json"
    arguments = ("--real", folder, "--fake", array, "--metrics", "fid,psnr", "--allow_few_samples", "--out", out)
    code, table, _ = command(*arguments)
    assert code == 0
    results = json.loads(out.read_text())
    expected = frechet_distance(*(FeatureStatistics.of(np.asarray(_features(x)[0])) for x in (real, fake)))
    assert results["fd_tiny"]["value"] == pytest.approx(expected, rel=1e-4)
    assert (results["fd_tiny"]["n_real"], results["fd_tiny"]["n_fake"]) == (70, 50)
    assert results["fd_tiny"]["split"] == str(folder)
    assert results["fd_tiny"]["few_samples"] is True
    assert "reconstruct" in results["_skipped"]["psnr"]
    assert results["_run"]["packages"]["jax"] == jax.__version__
    assert results["_run"]["read"] == {"real": "70 images, 16x16 RGB", "fake": "50 images, 16x16 RGB"}
    assert table.endswith("--real: 70 images, 16x16 RGB\n--fake: 50 images, 16x16 RGB\n")
    assert f"{expected:.4f}" in table
    assert "psnr: skipped" in table


def test_saved_statistics_stand_in_for_the_images(command, data, tmp_path):
    folder, array, *_ = data
    saved = [tmp_path / f"{name}.npz" for name in ("real", "fake")]
    for spec, path in zip((folder, array), saved, strict=True):
        assert command("--real", spec, "--save_statistics", path)[0] == 0
    values = []
    for real, fake in ((folder, array), (saved[0], array), saved):
        out = tmp_path / "out.json"
        assert command("--real", real, "--fake", fake, "--allow_few_samples", "--out", out)[0] == 0
        values.append(json.loads(out.read_text())["fd_tiny"])
    assert [record["n_real"] for record in values] == [70] * 3
    assert [record["n_fake"] for record in values] == [50] * 3
    for record in values[1:]:
        assert record["value"] == pytest.approx(values[0]["value"], rel=1e-6)
    with np.load(saved[0]) as arrays:
        assert arrays["mu"].shape == (5,)
        assert arrays["sigma"].shape == (5, 5)
        metadata = json.loads(str(arrays["metadata"]))
    assert metadata.keys() >= {"data_sha256", "split", "resize", "scale", "weights_sha256", "n", "ddof"}


def test_statistics_of_another_input_path_are_refused(refused, command, data, tmp_path):
    folder, array, *_ = data
    path = tmp_path / "s.npz"
    command("--real", folder, "--save_statistics", path)
    with np.load(path) as arrays:
        parts = dict(arrays)
    changed = json.loads(str(parts["metadata"])) | {"resize": "another"}
    np.savez(path, mu=parts["mu"], sigma=parts["sigma"], metadata=json.dumps(changed))
    assert "another resize" in refused("--real", path, "--fake", array, "--allow_few_samples")
    np.savez(path, mu=parts["mu"][:3], sigma=parts["sigma"][:3, :3])
    assert "3 features, not 5" in refused("--real", path, "--fake", array, "--allow_few_samples")


def test_published_statistics_without_metadata_are_read_and_marked(command, data, tmp_path):
    _, array, real, fake = data
    mu = FeatureStatistics.of(np.asarray(_features(real)[0]))
    np.savez(tmp_path / "p.npz", mu=mu.mean, sigma=mu.covariance())
    out = tmp_path / "out.json"
    code, _, err = command("--real", tmp_path / "p.npz", "--fake", array, "--allow_few_samples", "--out", out)
    assert code == 0, err
    record = json.loads(out.read_text())["fd_tiny"]
    other = FeatureStatistics.of(np.asarray(_features(fake)[0]))
    assert record["value"] == pytest.approx(frechet_distance(mu, other), rel=1e-4)
    assert record["n_real"] is None
    assert "does not say which extractor" in record["note"]


def test_fewer_samples_are_a_random_choice_since_folders_come_class_by_class(command, data, tmp_path):
    folder, _, _, fake = data
    both = np.concatenate([fake, np.zeros_like(fake)])
    np.save(tmp_path / "sorted.npy", both)
    out = tmp_path / "out.json"
    arguments = ("--real", folder, "--fake", tmp_path / "sorted.npy", "--num_samples", 50, "--allow_few_samples")
    values = []
    for seed in (0, 0, 1):
        assert command(*arguments, "--seed", seed, "--out", out)[0] == 0
        values.append(json.loads(out.read_text())["fd_tiny"]["value"])
    assert values[0] == values[1] != values[2]
    first = frechet_distance(*(FeatureStatistics.of(np.asarray(_features(x)[0])) for x in (data[2], fake)))
    assert values[0] > 1.5 * first  # half of them are black


def test_pairs_are_compared_one_to_one(command, refused, data, tmp_path):
    folder, array, real, _ = data
    np.save(tmp_path / "copies.npy", real // 2 + 30)
    out = tmp_path / "out.json"
    arguments = ("--real", folder, "--pairs", "--metrics", "psnr,ssim")
    assert command(*arguments, "--fake", tmp_path / "copies.npy", "--out", out)[0] == 0
    error = (real.astype(float) - (real // 2 + 30)) ** 2
    expected = (10 * np.log10(255**2 / error.mean((1, 2, 3)))).mean()
    assert json.loads(out.read_text())["psnr"]["value"] == pytest.approx(expected, rel=1e-5)
    assert "70 images, but --fake has 50" in refused(*arguments, "--fake", array)


def test_bad_input_is_one_line(refused, data, tmp_path):
    folder, array, _, fake = data
    gray, small, one = tmp_path / "gray.npy", tmp_path / "small.npy", tmp_path / "one.npy"
    np.save(gray, fake[..., :1])
    np.save(small, fake[:, :8, :8])
    np.save(one, fake[:1])
    base = ("--real", folder, "--fake", array)
    assert "no such file" in refused("--real", folder, "--fake", tmp_path / "missing")
    assert "grayscale" in refused("--real", folder, "--fake", gray)
    assert "16x16" in refused("--real", folder, "--fake", small)
    assert "at least 2048 images and has 70 real and 1 generated" in refused("--real", folder, "--fake", one)
    assert "kid" in refused(*base, "--metrics", "fid")
    assert "did you mean 'kid'" in refused(*base, "--metrics", "kidd")
    assert "--metrics is empty" in refused(*base, "--metrics", ",")
    assert "not the known weights" in refused(*base, "--extractor_weights", "x.pth")
    assert "choices: tiny" in refused(*base, "--resize", "clean")
    assert "unknown" in refused(*base, "--extractor", "inceptoin")
    assert "--fake is missing" in refused("--real", folder)
    assert "no folder" in refused(*base, "--out", tmp_path / "no" / "x.json")
    assert "--batch_size=0" in refused(*base, "--batch_size", 0)
    assert "invalid int value" in refused(*base, "--batch_size", "x")
    Image.new("RGB", (9, 9)).save(folder / "050.png")
    assert "050.png is 9x9 RGB" in refused(*base, "--allow_few_samples")
    (folder / "050.png").write_bytes(b"no image")
    assert "050.png cannot be read" in refused(*base, "--allow_few_samples")


def test_help_answers_at_once_without_jax():
    code = "import sys\nfrom jaxgen import evaluate\ntry:\n    evaluate.main(['--help'])\n"
    code += "except SystemExit as error:\n    assert not error.code\nassert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--allow_few_samples" in done.stdout


@pytest.mark.parametrize("kind", ["dataset", "npy", "npz"])
def test_vectors_need_no_feature_network(refused, monkeypatch, tmp_path, kind):
    monkeypatch.setattr(compare_request, "load_networks", lambda *arguments: 1 / 0)
    points = np.zeros((20, 2), np.float32)
    np.save(tmp_path / "points.npy", points)
    np.savez(tmp_path / "points.npz", labels=np.zeros(20, np.int32), images=points)
    real = "gaussian_ring:test" if kind == "dataset" else tmp_path / f"points.{kind}"
    assert "--save_statistics is for images" in refused("--real", real, "--save_statistics", tmp_path / "s.npz")
    assert "no metric" in refused("--real", real, "--fake", "digits:test", "--metrics", "fid").lower()
