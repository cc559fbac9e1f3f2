"""Parsing, messages and one-line errors, shared by every command but `jaxgen.main`."""

import argparse
import errno
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

from jaxgen.errors import UserError
from jaxgen.files import caches, outputs, streams
from jaxgen.settings import paths

FULL = (errno.ENOSPC, errno.EDQUOT)
# What a place can have against a program, and no program can help.
_OF_PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_OF_PLACES += (errno.EIO, errno.ESTALE)
_NO_HOME = "Could not determine home directory."  # what `Path.expanduser` says


class Parser(argparse.ArgumentParser):
    """Arguments of `python -m jaxgen.<name>`, with the module's docstring as help. Mistakes raise a UserError."""

    def __init__(self, name: str, description: str):
        super().__init__(
            prog=f"python -m jaxgen.{name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse_known_args(self, args=None, namespace=None):
        known, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            if getattr(known, action.dest, None) == []:  # what argparse of Python 3.11 makes of `--out=--`
                self.error(f"argument {'/'.join(action.option_strings) or action.metavar}: expected an argument")
        return known, rest

    def error(self, message: str):
        raise UserError(f"{message}. --help lists the arguments")


def path(text: str) -> Path:
    """The type of an argument that is a path of a file or folder, see `jaxgen.settings.paths`. It may not be empty."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty. Name one, or leave the argument out")
    return Path(_resolved(text))


def optional_path(text: str) -> str:
    """The type of an argument that is a path, or "" for a default."""
    return _resolved(text)


def spec(text: str) -> str:
    """The type of an argument that names images: a path with or without a part, `dataset:split`, or `run:DIR`."""
    prefix = "run:" if text.startswith("run:") else ""
    return prefix + _resolved(text.removeprefix(prefix))


def new_file(text: str) -> Path:
    """The type of an argument that is a file to write, for programs that look at nothing else before their work."""
    return _checked(outputs.check_file, path(text))


def new_folder(text: str) -> Path:
    """The type of an argument that is a folder to write into, as `new_file`."""
    return _checked(outputs.check_folder, path(text))


def _checked(check: Callable[[Path, str], None], place: Path) -> Path:
    try:
        check(place, "the path")
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return place


def name(text: str) -> str:
    """The type of an argument that is a name, and no path."""
    return text


def _resolved(text: str) -> str:
    try:
        return paths.resolved(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def check_checkpoint(which: str) -> str:
    """The value of --checkpoint, if it can be one.

    Raises:
      UserError: it is neither latest, best nor the number of a step.
    """
    if which not in ("latest", "best") and not re.fullmatch("[0-9]+", which):
        raise UserError(f"--checkpoint={which!r}: choices: latest, best, or the number of a step")
    return which


def keep_compiled(setting: str = "auto", cache_dir: str = "") -> None:
    """Lets JAX keep compiled programs for later processes.

    Args:
      setting: a folder. "auto" means xla/ in the cache folder, "" means no cache. A folder that cannot be written
        gives a warning and no cache.
      cache_dir: the cache folder. "" means $JAXGEN_CACHE or ~/.cache/jaxgen.
    """
    import jax

    if setting:
        place = str(caches.folder(cache_dir) / "xla") if setting == "auto" else setting
        if "://" not in place and not caches.can_keep(Path(place)):  # else a bucket, which JAX opens
            return
        jax.config.update("jax_compilation_cache_dir", place)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def run(work: Callable[[], None]) -> int:
    """Runs the work and shows jaxgen's messages. Bad input prints one line and exits with code 2."""
    with streams.survive():
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("jaxgen").setLevel(logging.INFO)
        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells of every folder it looks into
        try:
            work()
            streams.check_stdout()
        except Exception as error:
            if (line := explained(error)) is None:
                raise
            print(error_line(line), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(error_line("interrupted"), file=sys.stderr)
            return 130
    return 0


def error_line(message: str) -> str:
    """One line for stderr."""
    shown = message.encode("utf-8", "backslashreplace").decode()  # names of files may hold any byte
    return f"jaxgen: error: {' '.join(shown.split())}"


def explained(error: Exception) -> str | None:
    """What to tell a person of an error that is none of the program. None for one that is."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, RuntimeError) and str(error) == _NO_HOME:
        return "a path begins with ~, but the system knows no home folder for it. Write the path in full"
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL:
        where = f" ({error.filename})" if error.filename else ""
        if isinstance(error.__context__, UserError):  # a checkpoint met the full disk first, and says what is whole
            return str(error.__context__)
        return f"the disk is full{where}: finished checkpoints stay. Free some space and run the same command again"
    if error.errno in _OF_PLACES and error.filename:
        return f"{error.filename}: {error.strerror}. Name another place, or change what stands there"
    if "usable temporary directory" in str(error):
        return "there is no usable temporary folder. Set TMPDIR to a folder that can be written"
    return None
