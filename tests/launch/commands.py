"""What the tests of the launchers have alike: where they are, running them, stand-ins for the programs of a cluster."""

import os
import socket
import subprocess
from pathlib import Path

from tests.helpers.compiler_flags import FASTER_COMPILING

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
# Of real runs: the suite's compilation cache, and virtual devices.
VARIABLES = {
    "JAX_PLATFORMS": "cpu",
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {FASTER_COMPILING}",
}


def run(command, **options):
    """A finished process with its output as text, in the checkout unless `cwd` says otherwise."""
    options = {"cwd": ROOT, "timeout": 300, **options}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)


def program(folder, name, text):
    """Writes a stand-in for a program and returns an environment in which it is the first on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def is_free(port):
    """Whether a coordinator could listen at this port."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::", port))
        except OSError:
            return False
    return True


def free_port():
    """A port that nobody listens at."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return probe.getsockname()[1]
