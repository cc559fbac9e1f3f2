"""Provenance of a result: versions, commit, machine."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from jaxgen import __version__

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy", "scikit-image", "scipy")


def software() -> dict[str, Any]:
    """Versions of jaxgen, Python and important packages, the commit of this checkout, and the machine."""
    return {
        "jaxgen": __version__,  # a checkout that is not installed has no metadata
        "commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "machine": f"{platform.machine()}, {cores()} core{'s' * (cores() > 1)}",
    }


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` if files differ. None for an installed package."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    described = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return described.stdout.strip() or None
