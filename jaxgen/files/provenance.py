"""Provenance of a result: versions, commit, machine."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy", "scikit-image", "scipy")


def software() -> dict[str, Any]:
    """Versions of jaxgen, Python and important packages, the commit of this checkout, and the machine."""
    return {
        "jaxgen": _version("jaxgen"),
        "commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "machine": f"{platform.machine()}, {cores()} core{'s' * (cores() > 1)}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a checkout of jaxgen on the path: its commit says which
        return "not installed"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` if files differ. None for an installed package.

    A process keeps its first answer. The checkout may move on while the process computes.
    """
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    described = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return described.stdout.strip() or None
