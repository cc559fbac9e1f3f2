"""One run as a process of its own: a crash, or the system taking its memory back, ends the run and not the study."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxgen.study import parent

COMMAND = (sys.executable, "-m", "jaxgen.main")
_TAIL = 8_192  # bytes at the end of a log that are looked at


class Child:
    """A running command, in a process group of its own, that writes to a log.

    Args:
      command: the program and its arguments.
      log: what it prints is appended here.
    """

    def __init__(self, command: Sequence[str], log: Path):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with open(log, "ab") as file:
            self._start = file.tell()
            # Its own group: Ctrl-C in a terminal reaches the study alone, which passes it on once.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, parent.VARIABLE: str(os.getpid())},
            )

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it still runs after so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def ask_to_save(self) -> None:
        """SIGTERM: a run saves and ends."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()

    def last_line(self) -> str:
        """The last line that it has printed."""
        return next(iter(reversed(self._lines())), "")

    def output(self) -> str:
        """Everything that it has printed."""
        return self.log.read_bytes()[self._start :].decode(errors="replace")

    def complaint(self, code: int) -> str:
        """Why it ended with this exit code: its error line, or the last one, or the signal."""
        lines = self._lines()
        said = next((line for line in reversed(lines) if line.startswith("jaxgen: error: ")), "")
        said = said.removeprefix("jaxgen: error: ") or next(iter(reversed(lines)), "it printed nothing")
        if code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}; last line: {said[:500]}"
        return said[:1000]

    def _lines(self) -> list[str]:
        with open(self.log, "rb") as file:
            file.seek(max(self._start, file.seek(0, os.SEEK_END) - _TAIL))
            text = file.read().decode(errors="replace")
        return [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]


class Stop:
    """Whether the study was asked to end; passes the wish on to the runs that are under way."""

    def __init__(self):
        self.asked, self._children = False, []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block SIGTERM and Ctrl-C make runs save and the study end; a second Ctrl-C kills the runs."""

        def ask(number, frame):
            del frame
            again, self.asked = self.asked, True
            for child in self._children:
                if again and number == signal.SIGINT:
                    child.kill()
                else:
                    child.ask_to_save()

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def passed_on_to(self, child: Child) -> Iterator[None]:
        """Within the block signals reach this run too; it does not outlive the block."""
        self._children.append(child)
        try:
            if self.asked:  # between the start of the process and now
                child.ask_to_save()
            yield
        finally:
            self._children.remove(child)
            child.kill()
