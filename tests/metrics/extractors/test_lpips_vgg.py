import hashlib
import http.server
import threading
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import lpips_vgg as module

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
def params():
    return module.params_from(*_tensors())


def _pairs(shape, noise, seed=0):
    r = np.random.default_rng(seed)
    a = r.uniform(-1, 1, shape).astype(np.float32)
    return a, (a + r.normal(size=shape) * noise).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 32, 32, 3), (2, 37, 50, 1), (2, 16, 16, 3)])
def test_equals_torch(params, shape):
    a, b = _pairs(shape, 0.3)
    expected = _torch_distance(a, b)
    assert expected.min() > 1e-3
    np.testing.assert_allclose(module.distance(params, a, b), expected, rtol=1e-4)


def test_steps_of_path_length_keep_three_digits(params):
    a, b = _pairs((4, 32, 32, 3), 1e-4)
    np.testing.assert_allclose(module.distance(params, a, b), _torch_distance(a, b), rtol=3e-3)
    assert np.asarray(module.distance(params, a, a)).max() < 1e-14


def test_any_batch_and_four_devices_give_the_same(params, monkeypatch):
    a, b = _pairs((8, 24, 24, 3), 0.3)
    whole = np.asarray(module.distance(params, a, b))
    monkeypatch.setattr(module, "_CHUNK_PIXELS", 3 * 24 * 24)  # three at a time, so the last chunk is padded
    np.testing.assert_allclose(module.distance(params, a, b), whole, rtol=1e-5)
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    spread = (jax.device_put(x, NamedSharding(mesh, PartitionSpec("data"))) for x in (a, b))
    np.testing.assert_allclose(module.distance(params, *spread), whole, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 2, 2, 5), (3, 1, 4, 5), (2, 4, 4, 5)])
def test_both_forms_of_convolution_agree(monkeypatch, shape):
    r = np.random.default_rng(0)
    x, kernel = jnp.asarray(r.normal(size=shape), jnp.float32), jnp.asarray(r.normal(size=(3, 3, 5, 7)), jnp.float32)
    forms = []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        forms.append(module._convolution(x, kernel))
    np.testing.assert_allclose(*forms, atol=1e-5)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No weights on this machine; gives the folder where they would be."""
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    module.load.cache_clear()
    yield tmp_path / "cache" / "weights"
    module.load.cache_clear()


def test_missing_weights_are_told_with_addresses_and_places(empty):
    reason = module.missing()
    for file in (module.TRUNK, module.LINEAR):
        assert f"{file.url} as {empty / file.name}" in reason
    with pytest.raises(UserError, match=r"python -m jaxgen\.metrics\.extractors\.lpips_vgg fetches them"):
        module.load()


def test_torch_cache_counts_and_other_weights_are_refused(empty, tmp_path):
    for path in (tmp_path / "torch" / "hub" / "checkpoints" / module.TRUNK.name, empty / module.LINEAR.name):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"something else")
    assert module.missing() is None
    with pytest.raises(UserError, match=r"vgg16-397923af.pth: not the weights of LPIPS"):
        module.load()


def test_load_reads_the_files_that_torch_wrote(empty, monkeypatch):
    torch = pytest.importorskip("torch")
    empty.mkdir(parents=True)
    for name, tensors in zip(("TRUNK", "LINEAR"), _tensors(), strict=True):
        path = empty / getattr(module, name).name
        torch.save({key: torch.tensor(value) for key, value in tensors.items()}, path)
        known = getattr(module, name)._replace(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        monkeypatch.setattr(module, name, known)
    a, b = _pairs((2, 32, 32, 3), 0.3)
    np.testing.assert_allclose(module.distance(module.load(), a, b), _torch_distance(a, b), rtol=1e-4)


def test_fetch_downloads_once_and_checks(empty, monkeypatch):
    files, asked = {"/trunk": b"trunk", "/linear": b"linear"}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(files[self.path])))
            self.end_headers()
            self.wfile.write(files[self.path])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            for name, path in (("TRUNK", "/trunk"), ("LINEAR", "/linear")):
                sha256 = hashlib.sha256(files[path]).hexdigest()
                url = f"http://127.0.0.1:{server.server_port}{path}"
                monkeypatch.setattr(module, name, getattr(module, name)._replace(url=url, sha256=sha256))
            module.fetch_missing()
            module.fetch_missing()
            assert asked == ["/trunk", "/linear"]
            assert (empty / module.TRUNK.name).read_bytes() == b"trunk"
            (empty / module.LINEAR.name).unlink()
            files["/linear"] = b"changed"
            with pytest.raises(UserError, match=r"downloading lpips_v0.1_vgg.pth failed .* put it at"):
                module.fetch_missing()
            assert [path.name for path in empty.iterdir()] == [module.TRUNK.name]
        finally:
            server.shutdown()
            thread.join()


def test_the_package_lpips_counts_where_it_is_installed(empty, tmp_path, monkeypatch):
    path = tmp_path / "site" / "lpips" / "weights" / "v0.1" / "vgg.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "site" / "lpips")])
    monkeypatch.setattr(module.importlib.util, "find_spec", {"lpips": spec}.get)
    assert module.LINEAR.url not in module.missing()
    assert module.TRUNK.url in module.missing()
