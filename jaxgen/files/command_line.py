"""What `jaxgen.evaluate`, `convert` and `export` have in common: parsing, messages, errors in one line."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from jaxgen.errors import UserError


class Parser(argparse.ArgumentParser):
    """Arguments of `python -m jaxgen.<name>`, with the module's docstring as its help; mistakes are a UserError."""

    def __init__(self, name: str, description: str):
        super().__init__(
            prog=f"python -m jaxgen.{name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str):
        raise UserError(f"{message}; see --help")


def keep_compiled(setting: str = "auto", cache_dir: str = "") -> None:
    """Has JAX keep compiled programs from one process to the next.

    Args:
      setting: a folder; "auto": xla/ in the folder of caches; "": not at all.
      cache_dir: the folder of caches; "": $JAXGEN_CACHE or ~/.cache/jaxgen.
    """
    import jax

    if setting:
        caches = Path(cache_dir or os.environ.get("JAXGEN_CACHE") or "~/.cache/jaxgen").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(caches / "xla" if setting == "auto" else setting))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def run(work: Callable[[], None]) -> int:
    """Does the work with jaxgen's messages shown; bad input is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("jaxgen").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells of every folder it looks into
    try:
        work()
    except UserError as error:
        print(f"jaxgen: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0
