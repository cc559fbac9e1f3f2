"""The work directory of a run: locked while in use, bound to one config, never half-written."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jaxgen.errors import UserError
from jaxgen.settings import configuration


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file that replaces `path` when the block ends without error. A reader never sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would lock out the group that shares the results
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_atomic(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    with atomic(path) as file:
        file.write(text.encode())


def lock(folder: Path) -> IO:
    """Makes and locks the folder. Closing the returned file, or the end of the process, releases the lock.

    Raises:
      UserError: another run holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a+")  # noqa: SIM115 - held open for the whole run: that is the lock
    except OSError as error:
        raise UserError(f"--workdir={folder}: cannot be written ({error.strerror}). Name another folder") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = _owner(file)
        file.close()
        raise UserError(
            f"--workdir={folder} is in use by another run (process {owner}). Wait for its end, or name another folder"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(folder: Path) -> str | None:
    """The process that locks a work directory ("unknown" if it left no number), or None."""
    with suppress(FileNotFoundError), open(folder / ".lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _owner(file)
    return None


def _owner(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "unknown"


def bind(folder: Path, config, extra: dict[str, Any]) -> None:
    """Writes config.json, or checks that the folder belongs to the same config. A longer run updates its length there.

    Args:
      folder: the work directory.
      config: the run's config.
      extra: versions, device and commit, written the first time for reproduction.

    Raises:
      UserError: the folder holds another config. The line names the keys that differ.
    """
    path = folder / "config.json"
    if not path.exists():
        write_atomic(path, json.dumps({"config": configuration.to_dict(config), **extra}, indent=1) + "\n")
        return
    before = check(folder, config)
    if before["config"]["data"]["name"] == "none" != config.data.name:  # converted without data, and now trained
        write_atomic(path, json.dumps({**before, **extra, "config": configuration.to_dict(config)}, indent=1) + "\n")
        return
    grow(path, configuration.to_dict(config))


def grow(path: Path, config: dict[str, Any]) -> None:
    """Writes the `steps` and `budget.seconds` of a longer run into its config.json, and nothing else.

    Args:
      path: the config.json. Its config equals the run's config, except for keys that may differ.
      config: the run's config as plain types.
    """
    written = json.loads(path.read_text())
    longer = configuration.longer(configuration.completed(written["config"]), config)
    if not longer:
        return
    for key, value in longer.items():
        *groups, name = key.split(".")
        inner = written["config"]
        for group in groups:
            inner = inner[group]
        inner[name] = value
    write_atomic(path, json.dumps(written, indent=1) + "\n")


def note(folder: Path, name: str, value: object) -> None:
    """Adds later facts to config.json."""
    path = folder / "config.json"
    write_atomic(path, json.dumps({**json.loads(path.read_text()), name: value}, indent=1) + "\n")


def check(folder: Path, config) -> dict[str, Any]:
    """The contents of config.json of a run of this config. Keys that do not change training may differ.

    Raises:
      UserError: no run there, or a run of another config. The line names the keys that differ.
    """
    contents = read(folder)
    if differing := difference(contents["config"], config):
        raise UserError(f"--workdir={folder} belongs to another config ({differing}). Name another --workdir")
    return contents


def read(folder: Path) -> dict[str, Any]:
    """The contents of config.json, with missing config keys filled in.

    Raises:
      UserError: no config.json, or a damaged one.
    """
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"--workdir={folder}: no run there (no config.json). Train first, or name the right folder")
    try:
        contents = json.loads(path.read_text())
        return {**contents, "config": configuration.completed(contents["config"])}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is unreadable. Move it away to start a new run") from None


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps of finished checkpoints in a work directory."""
    return [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]


def difference(kept: dict[str, Any], config) -> str:
    """The differences that keep a run from going on with the config, as text. "" if there are none."""
    differing = configuration.differences(kept, configuration.to_dict(config))
    changes = [f"config.{key}: {old!r} there and {new!r} now" for key, (old, new) in differing.items()]
    more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
    return f"{', '.join(changes[:5])}{more}"
