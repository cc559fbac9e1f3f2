"""Parsing, messages and one-line errors, shared by `jaxgen.evaluate`, `convert` and `export`."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from jaxgen.errors import UserError


class Parser(argparse.ArgumentParser):
    """Arguments of `python -m jaxgen.<name>`, with the module's docstring as help. Mistakes raise a UserError."""

    def __init__(self, name: str, description: str):
        super().__init__(
            prog=f"python -m jaxgen.{name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str):
        raise UserError(f"{message}. --help lists the arguments")


def keep_compiled(setting: str = "auto", cache_dir: str = "") -> None:
    """Lets JAX keep compiled programs for later processes.

    Args:
      setting: a folder. "auto" means xla/ in the cache folder, "" means no cache.
      cache_dir: the cache folder. "" means $JAXGEN_CACHE or ~/.cache/jaxgen.
    """
    import jax

    if setting:
        caches = Path(cache_dir or os.environ.get("JAXGEN_CACHE") or "~/.cache/jaxgen").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(caches / "xla" if setting == "auto" else setting))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def run(work: Callable[[], None]) -> int:
    """Runs the work and shows jaxgen's messages. Bad input prints one line and exits with code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("jaxgen").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells of every folder it looks into
    try:
        work()
    except UserError as error:
        print(f"jaxgen: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0
