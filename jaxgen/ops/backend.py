"""The hardware of the program being traced. Some operations have a faster form on one kind of hardware."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

_platform: ContextVar[str | None] = ContextVar("platform", default=None)


def traced_for_cpu() -> bool:
    """Whether operations choose forms that are fast on XLA's CPU backend. It is read once, while tracing."""
    return (_platform.get() or jax.default_backend()) == "cpu"


@contextmanager
def compile_for(platform: str) -> Iterator[None]:
    """Trace for `platform` ("cpu", "gpu" or "tpu") instead of this machine's backend.

    A function already traced under `jax.jit` keeps its form: make a new jitted function within the block.
    """
    token = _platform.set(platform)
    try:
        yield
    finally:
        _platform.reset(token)
