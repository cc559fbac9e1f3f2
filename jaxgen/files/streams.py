"""stdout and stderr that end no work: a reader that has left, a full disk and unprintable characters lose no result.

The rule of every command: results are written to their files first and printed then. A closed stdout, as in
`command | head -1`, ends nothing and is not worth a word. A stdout on a full disk gets one line at the end.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from jaxgen.errors import UserError

_STANDARD = {"stdout": 1, "stderr": 2}


class _Surviving(io.FileIO):
    """A file whose writes never fail. `lost` is the first error that was more than a reader who has left."""

    lost: OSError | None = None
    closed_by_reader = False

    def write(self, data) -> int:
        if self.closed_by_reader or self.lost:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self.closed_by_reader = True
        except OSError as error:
            self.lost = error
        return len(data)


def surviving(descriptor: int, like: TextIO | None = None) -> TextIO:
    """A text stream to a descriptor that no write ends. Characters that it cannot encode are escaped.

    Args:
      like: the stream that it replaces: its encoding, and whether each line is written at once.
    """
    encoding = getattr(like, "encoding", None) or "utf-8"
    # Python's own stderr writes through where it is no terminal, and then calls itself not buffered by lines.
    at_once = bool(getattr(like, "line_buffering", True) or getattr(like, "write_through", False))
    buffer = io.BufferedWriter(_Surviving(descriptor, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", line_buffering=at_once)


@contextlib.contextmanager
def survive() -> Iterator[None]:
    """Inside the block, nothing that happens to stdout and stderr is an error. A stream that was replaced is kept."""
    before = {}
    for name, descriptor in _STANDARD.items():
        stream = getattr(sys, name)
        if stream is None:
            _open_nothing(descriptor)  # else the next file that is opened would be stdout to every library
        elif stream is not getattr(sys, f"__{name}__"):
            continue
        else:
            with contextlib.suppress(OSError):
                stream.flush()
        before[name] = stream
        setattr(sys, name, surviving(descriptor, stream))
    try:
        yield
    finally:
        for name, stream in before.items():
            replaced = getattr(sys, name)
            replaced.flush()
            file = replaced.buffer.raw
            if not (file.closed_by_reader or file.lost):  # else what ends with the process may still print
                setattr(sys, name, stream)


def check_stdout() -> None:
    """Refuses a stdout that lost text, but not to a reader who has left. For the end of a command.

    Raises:
      UserError: such as for a full disk.
    """
    sys.stdout.flush()
    lost = getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "lost", None)
    if lost is not None:
        raise UserError(
            f"stdout could not be written ({lost.strerror}), and text is missing there. The files that the command "
            "writes are whole. Print to another place"
        )


def _open_nothing(descriptor: int) -> None:
    """Opens the null device as a descriptor that the process began without."""
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
