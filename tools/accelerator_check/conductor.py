"""Runs the parts of the check, each in a process of its own with a time limit, and gathers what they leave."""

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from tools.accelerator_check.record import Options, write_json

ROOT = Path(__file__).parents[2]
PACKAGE = "tools.accelerator_check"
# By worth, since time may run out. The numbers are shares of the time. What a part leaves, the later ones have.
SHARES = {"right": 0.22, "resumes": 0.2, "fast": 0.4, "plans": 0.02, "learns": 0.16}
ORDER = tuple(SHARES)
# Beside the first parts, on the host's processors alone: what `fast` and `plans` compare with.
BESIDE = "promises"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "torch")
# A part that is told to end has this long, in seconds.
_GRACE = 5.0


class Running:
    """A started part."""

    def __init__(self, name: str, options: Options, seconds: float):
        out = Path(options.out)
        self.name, self.seconds, self.started = name, seconds, time.monotonic()
        (out / f"{name}.json").unlink(missing_ok=True)
        told = out / f"{name}.options.json"
        write_json(told, options._replace(deadline=time.time() + seconds)._asdict())
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        # The parts share the card with PyTorch and with each other's leftovers.
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        if name == BESIDE:
            environment["JAX_PLATFORMS"] = "cpu"
        command = [sys.executable, "-m", "tools.accelerator_check.part", f"{PACKAGE}.{name}", str(told)]
        self._log = out / f"{name}.log"
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def end(self, out: Path) -> dict[str, Any]:
        """Waits for the end, at the limit at the latest: state, seconds, rows, and the last lines of a failure."""
        left = self.seconds - (time.monotonic() - self.started)
        try:
            code = self._process.wait(max(left, 0.0))
            state = "done" if code == 0 else f"failed (exit code {code})"
        except subprocess.TimeoutExpired:
            state = "stopped at its limit"
        finally:
            self.kill()
        rows = out / f"{self.name}.json"
        result = {
            "state": state,
            "seconds": round(time.monotonic() - self.started, 1),
            "limit": round(self.seconds, 1),
            "rows": json.loads(rows.read_text()) if rows.exists() else [],
        }
        if state != "done":
            result["last_lines"] = self._log.read_text(errors="replace").splitlines()[-15:]
        return result

    def kill(self) -> None:
        """Ends the part, if it runs, and all processes that it started and left."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def check(options: Options, parts: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Runs the parts in order. `OUT/check.json` has all results so far after each of them."""
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    result = {"options": options._asdict(), "versions": _versions(), "seconds": seconds, "parts": {}, "good": False}
    beside = Running(BESIDE, options, seconds) if {"fast", "plans"} & set(parts) else None
    try:
        for name in ORDER:
            if name not in parts:
                continue
            if name == "plans" and beside is not None:
                beside.end(out)
            left = end - time.monotonic()
            waiting = [other for other in ORDER[ORDER.index(name) :] if other in parts]
            limit = left * SHARES[name] / sum(SHARES[other] for other in waiting)
            if name == "plans":
                limit = max(limit, 20.0)
            print(f"{name}: {max(limit, 0):.0f} s at most ...", flush=True)
            result["parts"][name] = _run(name, options, limit)
            result["good"] = all(map(is_good, result["parts"].values()))
            write_json(out / "check.json", result)
            print(f"{name}: {result['parts'][name]['state']}", flush=True)
    finally:
        if beside is not None:
            beside.kill()
    return result


def _run(name: str, options: Options, limit: float) -> dict[str, Any]:
    if limit < 1:
        return {"state": "no time was left", "seconds": 0.0, "limit": 0.0, "rows": []}
    return Running(name, options, limit).end(Path(options.out))


def is_good(part: dict[str, Any]) -> bool:
    """Whether no row is out of its bound, and the part did not fail. A part out of time is not a failure."""
    return not part["state"].startswith("failed") and all(row["good"] is not False for row in part["rows"])


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def table(result: dict[str, Any]) -> str:
    """All rows as a Markdown table, and a line for each part."""
    lines = ["| part | what | value | unit | bound | good |", "|---|---|---|---|---|---|"]
    for name, part in result["parts"].items():
        for row in part["rows"]:
            numbers = ["-" if row[key] is None else f"{row[key]:.4g}" for key in ("value", "bound")]
            good = {None: "", True: "yes", False: "NO"}[row["good"]]
            cells = [name, row["what"], numbers[0], row["unit"], "" if row["bound"] is None else numbers[1], good]
            lines.append("| " + " | ".join(cells) + " |")
    for name, part in result["parts"].items():
        lines.append(f"{name}: {part['state']}, {part['seconds']:.0f} of {part['limit']:.0f} s")
    return "\n".join(lines)
