"""A run in its own process. If it crashes or the system kills it, the study goes on.

The study uses `RunProcess` and `StopRequest`, and the run uses `follow_study`. Runs side by side have separate shares
of the CPU's cores (`shares`), so that no run takes another's time.
"""

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

COMMAND = (sys.executable, "-m", "jaxgen.main")
_STUDY = "JAXGEN_STUDY_PROCESS"  # the environment's variable that names the study's process to its runs
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ERROR = "jaxgen: error: "  # what `jaxgen.main` begins its error line with
_TAIL = 8_192  # bytes at the end of a log that are looked at
# Where Linux shows an NVIDIA GPU, an AMD one, and TPUs.
_ACCELERATORS = ("/dev/nvidia0", "/dev/kfd", "/dev/accel0", "/dev/vfio/0")


class RunProcess:
    """A running command with its own process group, which writes to a log.

    Args:
      command: the program and its arguments.
      log: file that its output is appended to.
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
                env={**os.environ, _STUDY: str(os.getpid())},
            )

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it still runs after a number of seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def ask_to_save(self) -> None:
        """Sends SIGTERM, at which a run saves and ends."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()

    def last_line(self) -> str:
        """Its last printed line."""
        return (self._lines() or [""])[-1]

    def complaint(self, code: int) -> str:
        """The reason for its end with this exit code: its error line, else its last line, or the signal."""
        lines = self._lines()
        errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
        reason = (errors or lines or ["it printed nothing"])[-1]
        if code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}. Last line: {reason[:500]}"
        return reason[:1000]

    def _lines(self) -> list[str]:
        try:
            with open(self.log, "rb") as file:
                file.seek(max(self._start, file.seek(0, os.SEEK_END) - _TAIL))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:  # somebody deleted it, which harms the log and not the run
            return []
        return [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]


class StopRequest:
    """Whether the study was asked to end. Passes the request on to the runs in progress."""

    def __init__(self):
        self.asked = False
        self._processes: list[RunProcess] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block, SIGTERM and Ctrl-C make runs save and the study end. A second Ctrl-C kills the runs."""

        def ask(number: int, _: FrameType | None) -> None:
            again, self.asked = self.asked, True
            for process in self._processes:
                if again and number == signal.SIGINT:
                    process.kill()
                else:
                    process.ask_to_save()

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def passed_on_to(self, process: RunProcess) -> Iterator[None]:
        """Inside the block signals reach this run too. It does not outlive the block."""
        self._processes.append(process)
        try:
            if self.asked:  # between the start of the process and now
                process.ask_to_save()
            yield
        finally:
            self._processes.remove(process)
            process.kill()


def shares(wanted: int) -> tuple[list[set[int] | None], str]:
    """The cores of each simultaneous run (None: all cores), and the reason for fewer than `wanted` runs, or "".

    A run takes an accelerator's whole memory, so runs are simultaneous on CPUs only.
    """
    if wanted == 1:
        return [None], ""
    if not hasattr(os, "sched_setaffinity"):
        return [None], "this system cannot give a process its own cores"
    present = [path for path in _ACCELERATORS if Path(path).exists()]
    if present and os.environ.get("JAX_PLATFORMS", "").lower() != "cpu":
        return [None], f"each run takes the whole accelerator ({present[0]}). JAX_PLATFORMS=cpu leaves it alone"
    cores = sorted(os.sched_getaffinity(0))
    number = min(wanted, len(cores))
    ends = [len(cores) * i // number for i in range(number + 1)]
    parts = [set(cores[a:b]) for a, b in itertools.pairwise(ends)]
    why = f"{len(cores)} core{'s' * (len(cores) > 1)} of the CPU" if number < wanted else ""
    return (parts if number > 1 else [None]), why


@contextlib.contextmanager
def inherited(cores: set[int] | None) -> Iterator[None]:
    """Processes started inside the block have these cores (None: as before)."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def follow_study() -> None:
    """In a run of a study: sends it SIGTERM, at which it saves and ends, when the study's process is gone.

    It works on Linux only. Elsewhere the run continues to its end, and a new start of the study waits for it.
    """
    study = os.environ.pop(_STUDY, None)
    if study is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(study):  # it was killed before we asked to be told
        sys.exit(128 + signal.SIGTERM)
