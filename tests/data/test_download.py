import gc
import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

from jaxgen.data import download
from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError

LABELS = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))
IMAGES = gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(8)))


@pytest.fixture
def server():
    """An HTTP server on this machine; yields (address, files it serves, paths asked for); "cut" ends half way."""
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path not in files:
                self.send_error(404)
                return
            data = files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if "cut" in self.path else data)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", files, asked
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def archives(server, monkeypatch):
    """Puts MNIST's test files on the server, in place of the published addresses; path -> archive can be changed."""
    address, files, _ = server
    table = {}
    for name, data in (("t10k-images-idx3-ubyte.gz", IMAGES), ("t10k-labels-idx1-ubyte.gz", LABELS)):
        files[f"/{name}"] = data
        table[name] = download.Archive(f"{address}/{name}", len(data), hashlib.sha256(data).hexdigest(), name)
    monkeypatch.setattr(download, "published", lambda listing: table)
    return table


@pytest.fixture
def config(data_config):
    return lambda **changes: data_config(name="mnist", train_split="test", download=True, **changes)


def leftovers(config):
    folder = Path(config.cache_dir) / "downloads" / "mnist"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_downloads_once(config, archives, server):
    _, _, asked = server
    dataset = open_dataset(config(labels=True), progress=False)
    np.testing.assert_array_equal(dataset.splits["test"].images.ravel(), np.arange(8))
    assert dataset.splits["test"].labels.tolist() == [7, 3]
    open_dataset(config(image_size=4), progress=True)
    assert sorted(asked) == sorted(f"/{name}" for name in archives)
    assert leftovers(config()) == sorted(archives)


def test_a_local_copy_comes_first(config, archives, server, tmp_path):
    for name, data in (("t10k-images-idx3-ubyte.gz", IMAGES), ("t10k-labels-idx1-ubyte", gzip.decompress(LABELS))):
        (tmp_path / name).write_bytes(data)
    assert open_dataset(config(dir=tmp_path), progress=False).splits["test"].labels.tolist() == [7, 3]
    assert server[2] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "hash"),
        ({"url": "{}/nothing.gz"}, "404"),
        ({"url": "{}/cut.gz"}, r"IncompleteRead|broken|hash"),
        ({"url": "http://127.0.0.1:1/refused.gz"}, "refused|Max retries"),
    ],
    ids=["wrong hash", "404", "interrupted", "no connection"],
)
def test_a_failed_download_says_what_to_get_and_leaves_nothing(config, archives, server, change, message):
    address, files, _ = server
    files["/cut.gz"] = IMAGES
    name = "t10k-images-idx3-ubyte.gz"
    archives[name] = archives[name]._replace(**{key: value.format(address) for key, value in change.items()})
    with pytest.raises(UserError, match=f"downloading {name} failed .*({message})") as error:
        open_dataset(config(), progress=False)
    assert f"Get {archives[name].url} " in str(error.value)
    assert "\n" not in str(error.value)
    assert leftovers(config()) == []
    gc.collect()  # a socket left open would raise its warning, an error here, in whatever test comes next


def test_download_off(config, archives, server, data_config):
    with pytest.raises(UserError, match=r"not here and data\.download=False. Get http\S+ .* and put it at"):
        open_dataset(data_config(name="mnist", train_split="test"), progress=False)
    assert server[2] == []


def test_a_folder_that_is_not_there(config, tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        open_dataset(config(dir=tmp_path / "none"), progress=False)


@pytest.mark.parametrize(
    ("listing", "count"),
    [
        ("url_checksums/mnist.txt", 4),
        ("url_checksums/fashion_mnist.txt", 4),
        ("url_checksums/cifar10.txt", 1),
        ("datasets/svhn_cropped/checksums.tsv", 3),
    ],
)
def test_published_archives_come_from_the_installed_package(listing, count):
    archives = download.published(listing)
    assert len(archives) == count
    for name, archive in archives.items():
        assert archive.url.endswith(f"/{name}")
        assert archive.size > 1000
        assert len(archive.sha256) == 64
