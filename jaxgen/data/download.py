"""Original archives of the classic sets: a local copy, or one download with a checked SHA-256."""

import importlib.metadata
from pathlib import Path
from typing import NamedTuple

from jaxgen.data import cache
from jaxgen.errors import UserError
from jaxgen.files import caches
from jaxgen.files.fetch import fetch


class Archive(NamedTuple):
    """One file of a publisher, with its address, size and hash."""

    url: str
    size: int  # bytes
    sha256: str
    name: str


def published(listing: str) -> dict[str, Archive]:
    """Archives by file name, as in the installed tensorflow-datasets.

    Args:
      listing: a checksum file of tensorflow-datasets, such as `url_checksums/mnist.txt`: URL, size, SHA-256, name.
    """
    # Located through the package's metadata, because importlib.resources would import it, at a cost of a second.
    path = importlib.metadata.distribution("tensorflow-datasets").locate_file(f"tensorflow_datasets/{listing}")
    rows = [line.split("\t") for line in Path(str(path)).read_text().splitlines() if line.strip()]
    return {name: Archive(url, int(size), sha256, name) for url, size, sha256, name in rows}


def data_dir(config) -> Path | None:
    """`config.dir` as a folder, or None if it is not set.

    Raises:
      UserError: there is no such folder.
    """
    if not config.dir:
        return None
    folder = Path(config.dir).expanduser()
    if not folder.is_dir():
        raise UserError(f"data.dir={config.dir!r}: there is no such folder. Name the folder with {config.name}'s files")
    return folder


def locate(config, archive: Archive, alternatives: tuple[str, ...] = ()) -> Path:
    """The path of the archive in `config.dir` or in the cache. It is downloaded once if it is missing.

    A copy in `config.dir` need not match the publisher's hash, since a recompressed or unpacked copy holds the same
    data. Each reader checks the structure of its file.

    Args:
      config: `config.data`. Files are sought in `dir`, in `dir/<name of the set>` and in the cache's `downloads`.
      archive: the file wanted.
      alternatives: other relative paths in `config.dir` that hold the same data, such as the unpacked file.

    Raises:
      UserError: the archive is not here, and downloading is off or failed.
    """
    folder = data_dir(config)
    if folder:
        for base in (folder, folder / config.name):
            for name in (archive.name, *alternatives):
                if (base / name).exists():
                    return base / name
    # A folder per set: MNIST and Fashion-MNIST use the same file names.
    target = cache.root(config) / "downloads" / config.name / archive.name
    if not target.exists():
        if config.download:
            target = caches.writable(cache.root(config) / "downloads") / config.name / archive.name
        _download(config, archive, target, (folder or target.parent) / archive.name)
    return target


def _download(config, archive: Archive, target: Path, by_hand: Path) -> None:
    if not config.download:
        raise UserError(
            f"{config.name}: {archive.name} is not here and data.download=False. "
            f"Get {archive.url} ({archive.size / 1e6:.1f} MB) and put it at {by_hand}"
        )
    fetch(archive.url, target, archive.sha256, what=config.name, by_hand=by_hand, progress=config.progress)
