"""The work directory of a run: locked while in use, bound to one config, never half-written."""

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jaxgen.errors import UserError
from jaxgen.files import data_record
from jaxgen.settings import configuration, run_config

_NOT_ALLOWED = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EROFS)


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
    """Writes the whole file or nothing.

    Raises:
      UserError: a folder is in its place, or nothing can be written there. A full disk remains an OSError.
    """
    try:
        with atomic(path) as file:
            file.write(text.encode())
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
        place = "a folder is in its place. Move it away" if path.is_dir() else f"{error.strerror}. Make it writable"
        raise UserError(f"{path} cannot be written: {place}, and run the same command again") from None


def lock(folder: Path) -> IO:
    """Makes and locks the folder. Closing the returned file, or the end of the process, releases the lock.

    Raises:
      UserError: another run holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a+", errors="replace")  # noqa: SIM115 - open for the whole run: that is the lock
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise UserError(f"--workdir={folder}: cannot be written ({reason}). Name another folder") from None
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
    # A lock that cannot be opened is told of by the run that needs it.
    with suppress(OSError), open(folder / ".lock", "a+", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _owner(file)
    return None


def _owner(file: IO[str]) -> str:
    file.seek(0)
    written = file.read().strip()
    return written if written.isdecimal() else "unknown"


def bind(folder: Path, config, extra: dict[str, Any]) -> None:
    """Writes config.json, or checks that the folder belongs to the same config and data.

    A longer run updates its length there.

    Args:
      folder: the work directory.
      config: the run's config.
      extra: versions, device, commit and data, written the first time for reproduction.

    Raises:
      UserError: the folder holds another config or other data. The line names the keys or the data that differ.
    """
    path = folder / "config.json"
    if not _is_there(path):
        write_atomic(path, json.dumps({"config": configuration.to_dict(config), **extra}, indent=1) + "\n")
        return
    before = check(folder, config)
    if before["config"]["data"]["name"] == "none" != config.data.name:  # converted without data, and now trained
        write_atomic(path, json.dumps({**before, **extra, "config": configuration.to_dict(config)}, indent=1) + "\n")
        return
    data_record.require(data_record.of_run(before, f"--workdir={folder}"), extra.get("data"), config.data.dir)
    grow(path, configuration.to_dict(config), extra.get("data"))


def _is_there(path: Path) -> bool:
    """Whether there is anything under this name. A file that may not be looked at is there."""
    return os.path.lexists(path)


def grow(path: Path, config: dict[str, Any], data: object = None) -> None:
    """Writes what may change about a run into its config.json: a longer training, and the new place of its data.

    Args:
      path: the config.json. Its config equals the run's config, except for keys that may differ.
      config: the run's config as plain types.
      data: the facts about the data that are here.
    """
    written = run_config.contents(path.parent)
    before = configuration.completed(written["config"])
    changed = configuration.longer(before, config)
    if isinstance(data, dict) and config["data"]["dir"] != before["data"]["dir"]:
        changed["data.dir"], written["data"] = config["data"]["dir"], data
    if changed:
        write_atomic(path, json.dumps(_with(written, changed), indent=1) + "\n")


def _with(written: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The contents of config.json with some keys of the config changed."""
    for key, value in values.items():
        *groups, name = key.split(".")
        inner = written["config"]
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return written


def note(folder: Path, name: str, value: object) -> None:
    """Adds later facts to config.json."""
    write_atomic(folder / "config.json", json.dumps({**run_config.contents(folder), name: value}, indent=1) + "\n")


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
    if not _is_there(folder / "config.json"):
        missing = run_config.what_is_missing(folder)
        raise UserError(f"--workdir={folder}: {missing}. Train first, or name the right folder")
    contents = run_config.contents(folder)
    return {**contents, "config": configuration.completed(contents["config"])}


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps of finished checkpoints in a work directory."""
    return [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdecimal()]


def difference(kept: dict[str, Any], config) -> str:
    """The differences that keep a run from going on with the config, as text. "" if there are none."""
    differing = configuration.differences(kept, configuration.to_dict(config))
    changes = [f"config.{key}: {old!r} there and {new!r} now" for key, (old, new) in differing.items()]
    more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
    return f"{', '.join(changes[:5])}{more}"
