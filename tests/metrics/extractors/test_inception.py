import hashlib
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from PIL import Image

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import inception
from jaxgen.metrics.extractors.inception_params import CONVOLUTIONS, expected_shapes
from jaxgen.metrics.extractors.inception_weights import read_scripted, scripted_names
from jaxgen.metrics.extractors.input_paths import PATHS
from jaxgen.metrics.extractors.weights import Source, Weights, WeightsFile, local_source
from jaxgen.metrics.extractors.weights import load as load_weights
from jaxgen.ops.backend import compile_for
from jaxgen.settings import lookup

EXITS = ("64", "192", "768", "2048", "logits_unbiased")


@pytest.fixture(scope="module")
def params(inception_tensors):
    return jax.tree.map(jnp.asarray, inception.load_params(inception_tensors))


@pytest.fixture(scope="module")
def weights(tmp_path_factory, inception_tensors, save_torch):
    """The tensors as a file that is not the known one."""
    return save_torch(tmp_path_factory.mktemp("weights") / "own.pth", inception_tensors)


@pytest.fixture
def known(weights, monkeypatch):
    """Makes that file the known one, in the place where the fetched one would lie."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    file = WeightsFile(weights.name, digest, "its publisher", elsewhere=lambda: [weights])
    monkeypatch.setattr(inception, "WEIGHTS", Weights("the FID Inception", digest, (Source((file,)),)))
    inception._load.cache_clear()
    inception._params.cache_clear()
    yield digest
    inception._load.cache_clear()
    inception._params.cache_clear()


def _images(n, shape=(20, 24), channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, *shape, channels), dtype=np.uint8)


def _features_at(params, images, resize="tf1"):
    return dict(zip(EXITS, map(np.asarray, inception.outputs(params, images, PATHS[resize])), strict=True))


def _assert_close(got, expected, tolerance=1e-5):
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.full
@pytest.mark.parametrize("path", ["tf1", pytest.param("pytorch", marks=pytest.mark.full)])
@pytest.mark.parametrize("images", ["images", "image_512"])
def test_equals_the_reference_implementation(golden, params, path, images):
    arrays = golden("inception.npz")
    got = _features_at(params, arrays[images], path)
    for name, values in got.items():
        expected = arrays[f"{path}/{images}/{name}"]
        assert values.dtype == np.float32
        _assert_close(values, expected)
        if name != "logits_unbiased":
            # A bias to one side moves the Frechet distance far more than noise of the same size.
            assert abs((values - expected).mean() / expected.mean()) < 1e-6


def test_equals_torch_live(inception_tensors, tmp_path):
    """Another size, one channel, the third input path, and torch's own file in the format of the published one."""
    torch = pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location(
        "pytorch_feature_networks", Path(__file__).parents[3] / "benchmarks" / "pytorch_feature_networks.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.Inception().eval()
    state = {name: torch.tensor(values) for name, values in inception_tensors.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    torch.save(network.state_dict(), tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    params = inception.load_params(load_weights(inception.WEIGHTS, expected_shapes(), tmp_path / "w.pth", True).tensors)
    gray = _images(2, (40, 330), 1)
    resized = [Image.fromarray(x[..., 0].astype(np.float32)).resize((299, 299), Image.BICUBIC) for x in gray]
    x = torch.tensor((np.stack(resized).clip(0, 255) - 128) / 128)[:, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = network(x)
    for got, values in zip(_features_at(params, gray, "clean").values(), expected, strict=True):
        _assert_close(got, values.numpy())


def test_logits_have_no_bias(params, inception_tensors):
    got = _features_at(params, _images(1))
    assert np.abs(inception_tensors["fc.bias"]).max() > 0.1
    _assert_close(got["logits_unbiased"], got["2048"] @ inception_tensors["fc.weight"].T, 1e-6)


@pytest.mark.full
def test_no_number_depends_on_the_batch(params):
    images = _images(16)
    whole = _features_at(params, images)
    for count in (1, 7):
        part = _features_at(params, images[16 - count :])
        for name in EXITS:
            _assert_close(part[name], whole[name][16 - count :], 1e-6)


@pytest.mark.full
def test_four_devices_give_the_same_as_the_accelerators_form(monkeypatch, inception_tensors, params):
    """On a small input: spread over devices with few products, and whole with XLA's own convolutions."""
    monkeypatch.setattr(inception, "SIDE", 75)  # the least that leaves a pixel at the end
    images = _images(4, (33, 33))
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    spread = _features_at(params, jax.device_put(images, NamedSharding(mesh, PartitionSpec("data"))))
    with compile_for("gpu"):
        plain = jax.tree.map(jnp.asarray, inception.load_params(inception_tensors))
        assert not any("terms" in layer for name, layer in plain.items() if name != "fc")
        whole = _features_at(plain, images)
    for name in EXITS:
        assert len(spread[name]) == 4
        _assert_close(spread[name], whole[name])


def test_only_the_known_weights_and_the_first_path_are_canonical(known):
    usual = inception.load()
    assert usual is inception.load("tf1")
    assert (usual.label, usual.canonical, usual.weights_sha256) == ("inception", True, known)
    others = [inception.load("pytorch"), inception.load("clean"), inception.load(feature_size=768)]
    assert [x.label for x in others] == ["inception_pytorch", "inception_clean", "inception_768"]
    assert not any(x.canonical for x in others)
    records = [x.metadata() for x in (usual, *others)]
    assert all(a != b for i, a in enumerate(records) for b in records[:i])


def test_other_weights_must_be_allowed_and_mark_the_label(weights):
    with pytest.raises(UserError, match=r"own\.pth: not the weights of the FID Inception"):
        inception.load(weights=weights)
    extractor = inception.load(weights=str(weights), allow_other_weights=True)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (extractor.label, extractor.canonical) == (f"inception_{digest[:8]}", False)
    assert extractor.weights_sha256 == digest
    clean = inception.load("clean", weights, True, 64)
    assert clean.label == f"inception_clean_64_{digest[:8]}"


@pytest.mark.full
def test_the_extractor_gives_the_chosen_exit_and_logits(weights, params):
    images = _images(2)
    expected = _features_at(params, images)
    for size in inception.EXITS:
        extractor = inception.load(weights=weights, allow_other_weights=True, feature_size=size)
        features, logits = extractor.apply(jnp.asarray(images))
        assert features.shape == (2, extractor.feature_size) == (2, size)
        _assert_close(features, expected[str(size)], 1e-6)
        _assert_close(logits, expected["logits_unbiased"], 1e-6)


def test_unknown_choices():
    with pytest.raises(UserError, match=r"resize='pytorhc'.* did you mean 'pytorch'"):
        inception.load("pytorhc")
    with pytest.raises(UserError, match=r"feature_size=1000: .* 64, 192, 768, 2048"):
        inception.load(feature_size=1000)


def test_tensors_that_do_not_fit_are_named(inception_tensors):
    tensors = {**inception_tensors, "fc.weight": np.zeros((1000, 2048), np.float32)}
    with pytest.raises(UserError, match=r"fc\.weight \(1000, 2048\), not \(1008, 2048\)"):
        inception.load_params(tensors)
    del tensors["Mixed_7c.branch_pool.bn.bias"]
    with pytest.raises(UserError, match=r"1 tensor is missing: Mixed_7c\.branch_pool\.bn\.bias"):
        inception.load_params(tensors)


@pytest.mark.full
def test_without_the_classifier_the_features_are_the_same(inception_tensors, params):
    """As a package has the weights: 94 convolutions, gains of 1, no `fc`."""
    tensors = {name: values for name, values in inception_tensors.items() if not name.startswith("fc.")}
    images = _images(1)
    bare = _features_at(jax.tree.map(jnp.asarray, inception.load_params(tensors)), images)
    whole = _features_at(params, images)
    assert bare["logits_unbiased"].shape == (1, 0)
    for name in EXITS[:-1]:
        np.testing.assert_array_equal(bare[name], whole[name])


def test_the_archive_names_every_convolution_once():
    names = scripted_names()
    assert len(names) == 94
    assert sorted(names.values()) == sorted(CONVOLUTIONS)


def test_an_archive_gets_the_publishers_names(tmp_path, inception_tensors, save_torchscript):
    """Written under the archive's names; a wrong pair of names would not fit by shape or by value."""
    parts = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}
    archive = {
        f"{theirs}.{part}": inception_tensors[f"{ours}.{name}"]
        for theirs, ours in scripted_names().items()
        for part, name in parts.items()
    }
    tensors = read_scripted(save_torchscript(tmp_path / "default_1.pt", archive))
    for name, values in tensors.items():
        expected = np.ones_like(values) if name.endswith("bn.weight") else inception_tensors[name]
        np.testing.assert_array_equal(values, expected, err_msg=name)
    assert set(tensors) == {name for name in expected_shapes() if not name.startswith("fc.")}


@pytest.mark.full
def test_real_weights_give_the_features_of_the_archives_own_program(golden):
    arrays = golden("real_weights.npz")
    if local_source(inception.WEIGHTS) is None:
        pytest.skip("needs the weights: python -m jaxgen.weights --fetch inception")
    extractor = inception.load()
    assert (extractor.label, extractor.canonical) == ("inception", True)
    features = np.asarray(extractor.apply(arrays["images"][:16])[0])
    _assert_close(features, arrays["inception_tf1_2048"][:16])


def test_size_of_the_network():
    """Inception v3 with 1000 classes and no auxiliary head has 23,834,568 parameters."""
    assert len(CONVOLUTIONS) == 94
    count = sum(np.prod(shape) for name, shape in expected_shapes().items() if "running" not in name)
    assert count == 23_834_568 - 1000 + 8 * 2048  # 8 classes more, no bias


def test_the_parts_are_no_choices():
    assert lookup.choices("metrics.extractors") == ["efficientnet_lite0", "inception"]
