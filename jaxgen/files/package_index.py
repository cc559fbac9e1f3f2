"""Fetches one file out of a package of a Python package index, without installing, building or importing anything.

`pip download` would run the `setup.py` of a source archive to read its metadata. Here the archive's address comes from
the index pages (PEP 503 and PEP 691), with pip's configured index, certificates, proxy and links.
"""

import contextlib
import hashlib
import html.parser
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from jaxgen.files.reachable import SECONDS, answers

_PYPI = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
_LARGEST_PAGE = 2**26


class PackagedFile(NamedTuple):
    """A file inside a published archive.

    project, version: of the package. archive: its file name, a wheel or a source archive. archive_sha256: its hash.
    member: its path inside the archive. sha256: its hash.
    """

    project: str
    version: str
    archive: str
    archive_sha256: str
    member: str
    sha256: str

    def __str__(self) -> str:
        return f"the package {self.project} {self.version}"


class PipSettings(NamedTuple):
    """What pip is configured with, as far as a download needs it."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    certificates: str
    proxy: str
    trusted_hosts: tuple[str, ...]


def pip_settings() -> PipSettings:
    """pip's own settings: files, environment (`PIP_INDEX_URL`, ...) and defaults. Also `UV_INDEX_URL`."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    # A machine without pip (uv makes such environments) has its variables alone.
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    values: dict[str, str] = {}
    ranks = {"global": 0, "download": 1, ":env:": 2}
    lines = [line.partition("=") for line in listed.splitlines() if "=" in line]
    for name, _, value in sorted(lines, key=lambda line: ranks.get(line[0].rpartition(".")[0], -1)):
        group, _, key = name.rpartition(".")
        if group in ranks:
            values[key] = value[1:-1].replace("\\n", " ")
    for key in ("index-url", "extra-index-url", "find-links", "cert", "proxy", "trusted-host"):
        variable = key.upper().replace("-", "_")
        values[key] = os.environ.get(f"PIP_{variable}", values.get(key, ""))
    index = values["index-url"] or os.environ.get("UV_INDEX_URL", "") or _PYPI
    no_index = values.get("no-index", "").lower() in ("1", "true", "yes", "on")
    return PipSettings(
        indexes=() if no_index else (index, *values["extra-index-url"].split()),
        links=tuple(values["find-links"].split()),
        certificates=values["cert"],
        proxy=values["proxy"],
        trusted_hosts=tuple(values["trusted-host"].split()),
    )


def fetch_from_package(file: PackagedFile, target: Path, progress: bool = True) -> None:
    """Downloads the archive, checks its SHA-256, and puts one file of it at `target`, whole or not at all.

    Raises:
      OSError: the archive is nowhere, cannot be read, or has other contents. The message says what was tried.
    """
    settings = pip_settings()
    failures = []
    with tempfile.TemporaryDirectory(prefix="jaxgen-") as folder:
        archive = Path(folder) / file.archive
        for url in _addresses(file, settings, failures):
            try:
                _download(url, archive, settings, progress)
                _check(archive, file.archive_sha256)
                break
            except (OSError, ValueError) as error:
                failures.append(f"{_without_password(url)}: {' '.join(str(error).split())}")
        else:
            raise OSError("; ".join(failures) or f"no index offers {file.archive}")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with _member(archive, file.member) as source, part.open("wb") as copy:
                while chunk := source.read(2**20):
                    copy.write(chunk)
            _check(part, file.sha256)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise OSError(f"{path.name} has the SHA-256 {digest[:16]}..., not {sha256[:16]}...")


def _addresses(file: PackagedFile, settings: PipSettings, failures: list[str]) -> Iterator[str]:
    """URLs of the archive: a folder of links first, then each index. What failed goes into `failures`."""
    for link in settings.links:
        folder = Path(_local_path(link) or link).expanduser()
        if (folder / file.archive).is_file():
            yield (folder / file.archive).resolve().as_uri()
    for index in settings.indexes:
        page = f"{index.rstrip('/')}/{file.project}/"
        if not _local_path(page) and not answers(page, settings.proxy):
            failures.append(f"{_without_password(page)}: no answer within {SECONDS:g} s")
            continue
        try:
            links = _links(page, settings)
        except (OSError, ValueError) as error:
            failures.append(f"{_without_password(page)}: {' '.join(str(error).split())}")
            continue
        matching = [link for link in links if unquote(urlsplit(link).path).rpartition("/")[2] == file.archive]
        if not matching:
            failures.append(f"{_without_password(page)}: has no {file.archive}")
        yield from (urldefrag(link).url for link in matching[:1])


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _local_path(url: str) -> str:
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else ""


class _Anchors(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (link := dict(attrs).get("href")):
            self.links.append(link)


def _links(page: str, settings: PipSettings) -> list[str]:
    """The addresses on an index page, in JSON or HTML."""
    if path := _local_path(page):
        text, kind, base = (Path(path) / "index.html").read_text(), "text/html", page
    else:
        with _request(page, settings, {"Accept": f"{_JSON}, text/html;q=0.1"}) as response:
            text = response.raw.read(_LARGEST_PAGE, decode_content=True).decode(response.encoding or "utf-8")
            kind, base = response.headers.get("Content-Type", ""), response.url
    if kind.startswith(_JSON):
        links = [file["url"] for file in json.loads(text)["files"]]
    else:
        anchors = _Anchors()
        anchors.feed(text)
        links = anchors.links
    return [urljoin(base, link) for link in links]


@contextlib.contextmanager
def _request(url: str, settings: PipSettings, headers: dict | None = None):
    import requests  # Only a download needs it.

    host = urlsplit(url).hostname
    trusted = host in {name.partition(":")[0] for name in settings.trusted_hosts}
    options = {"verify": False if trusted else settings.certificates or True, "stream": True, "timeout": 60}
    proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None
    with requests.Session() as session, session.get(url, headers=headers, proxies=proxies, **options) as response:
        response.raise_for_status()
        yield response


def _download(url: str, target: Path, settings: PipSettings, progress: bool) -> None:
    from tqdm import tqdm

    with contextlib.ExitStack() as stack:
        if path := _local_path(url):
            source: IO[bytes] = stack.enter_context(open(path, "rb"))
            total, chunks = os.path.getsize(path), iter(lambda: source.read(2**18), b"")
        else:
            response = stack.enter_context(_request(url, settings))
            total, chunks = int(response.headers.get("Content-Length", 0)) or None, response.iter_content(2**18)
        bar = stack.enter_context(tqdm(total=total, desc=target.name, unit="B", unit_scale=True, disable=not progress))
        with target.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                bar.update(len(chunk))


@contextlib.contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """A file inside a wheel, a zip or a source archive; only its bytes are read."""
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
                yield file
        else:
            with tarfile.open(archive) as opened:
                file = opened.extractfile(member)
                if file is None:
                    raise KeyError(member)
                yield file
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise OSError(f"{archive.name}: {' '.join(str(error).split())}") from None
