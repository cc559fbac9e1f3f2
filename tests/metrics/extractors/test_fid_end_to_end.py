"""Files of images and of weights, through the command line, to the FID that the reference's own features give."""

import json

import numpy as np
import pytest

from jaxgen import evaluate


def _fid(real, fake):
    """By another route than the code's: the trace of the root is the nuclear norm of the centred features' product."""
    real, fake = real.astype(float), fake.astype(float)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (real, fake))
    cross = np.linalg.norm(a @ b.T, "nuc")
    return np.square(real.mean(0) - fake.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * cross


@pytest.mark.full
def test_fid_of_the_same_images_as_the_reference(golden, inception_tensors, save_torch, tmp_path, monkeypatch, capsys):
    arrays = golden("inception.npz")
    images, expected = arrays["images"], arrays["pytorch/images/2048"]
    np.save(tmp_path / "real.npy", images[:9])
    np.save(tmp_path / "fake.npy", images[9:])
    weights = save_torch(tmp_path / "own.pth", inception_tensors)
    monkeypatch.setattr(evaluate, "keep_compiled", lambda cache_dir: None)
    files = ["--real", str(tmp_path / "real.npy"), "--fake", str(tmp_path / "fake.npy"), "--batch_size", "4"]
    files += ["--extractor_weights", str(weights), "--cache_dir", str(tmp_path), "--out", str(tmp_path / "out.json")]
    options = ["--metrics", "fid", "--resize", "pytorch", "--allow_few_samples"]
    assert evaluate.main([*files, *options]) == 2
    assert "not the weights of the FID Inception" in capsys.readouterr().err
    assert evaluate.main([*files, *options, "--allow_other_weights"]) == 0
    results = json.loads((tmp_path / "out.json").read_text())
    (name,) = (key for key in results if not key.startswith("_"))
    assert name.startswith("fd_inception_pytorch_")  # neither the canonical path nor the known weights
    assert results[name]["value"] == pytest.approx(_fid(expected[:9], expected[9:]), rel=1e-4)
