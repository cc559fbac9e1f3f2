"""Trains for half an hour under constant faults, and checks that the result equals that of an undisturbed run.

    python tools/soak.py --minutes 30 --processes 2

Faults come at random moments: SIGTERM to one process, SIGKILL of one process, a full disk, a truncated newest
checkpoint, an image file that is missing for a while. After each fault the same command runs again. The tool prints a
line for each fault. The exit code is 1 if a run ends in a wrong way, or if saved work is lost. A full disk needs its
own file system. As root, a small tmpfs is mounted. Otherwise `--workdir` may name one. Else it is left out.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
CONFIG = """
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.update({{"name": "folder", "dir": {data!r}, "image_size": 8, "streaming": "always", "flip": True}})
    config.model.width = config.model.latent_dim = 8
    config.batch_size, config.steps_per_dispatch = 16, 5
    config.steps = {steps}
    config.log_every, config.checkpoint_every, config.sample_every, config.histogram_every = 20, 100, 1_000, 0
    config.keep_checkpoints = 3
    config.evaluation.metrics, config.evaluation.pictures = ("psnr",), False
    return config
"""
FAULTS = ("sigterm", "sigkill", "full_disk", "damaged_checkpoint", "vanished_file")
_START_SECONDS, _END_SECONDS = 300, 300


class Failure(Exception):
    """What should not have happened."""


class Soak:
    """One run and what is done to it.

    Args:
      folder: for images, config and logs.
      workdir: of the run that is disturbed.
      processes: of it, with two devices each.
      steps: after which it is done.
      disk: whether `workdir` lies on a small file system of its own.
      seed: of what happens when.
      faults: which there are to be.
    """

    def __init__(
        self, folder: Path, workdir: Path, processes: int, steps: int, disk: bool, seed: int, faults: tuple[str, ...]
    ):
        self._folder, self._workdir, self._processes = folder, workdir, processes
        self._faults = [kind for kind in faults if kind != "full_disk" or disk]
        self._random, self._started = random.Random(seed), []
        self._images = folder / "images"
        write_images(self._images)
        self._config = folder / "soak_config.py"
        self._config.write_text(CONFIG.format(data=str(self._images), steps=steps))
        self._steps = steps

    def start(self, workdir: Path) -> list[subprocess.Popen]:
        """The processes of the run."""
        command = [sys.executable, "-m", "jaxgen.main", f"--config={self._config}", f"--workdir={workdir}"]
        if self._processes > 1:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command += ["--distributed", f"--coordinator_address=127.0.0.1:{port}"]
            command += [f"--num_processes={self._processes}"]
        flags = "--xla_force_host_platform_device_count=2"
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
        started = []
        for i in range(self._processes):
            number = [f"--process_id={i}"] if self._processes > 1 else []
            with open(self._log(i), "w") as log:
                options = {"stdout": log, "stderr": log, "cwd": ROOT, "env": environment}
                started.append(subprocess.Popen([*command, *number], **options))
        self._started = started
        return started

    def kill(self) -> None:
        """Ends what still runs."""
        for process in self._started:
            process.kill()
            process.wait()

    def finish(self, workdir: Path) -> None:
        """Trains to the end without a disturbance."""
        codes = self._end(self.start(workdir), 24 * 3600)
        if any(codes):
            raise Failure(f"an undisturbed run ended with {codes}: {self._said()}")

    def saved(self, workdir: Path) -> int:
        """The newest finished checkpoint's step, 0 for none."""
        return max((int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()), default=0)

    def disturb(self, kind: str) -> str:
        """Starts the run, disturbs it, waits for its end, checks that and restores order. Returns a description."""
        before = self.saved(self._workdir)
        if kind == "damaged_checkpoint":
            return self._damage(before)
        running = self.start(self._workdir)
        self._wait_until_it_trains(running)
        time.sleep(self._random.uniform(0.0, 5.0))
        codes, line = getattr(self, f"_{kind}")(running)
        after = self.saved(self._workdir)
        if after < before:
            raise Failure(f"{kind}: checkpoint {before} was there, and now the newest is {after}")
        if "Traceback" in self._said():
            raise Failure(f"{kind}: a traceback: {self._said()}")
        return f"codes {codes}, steps saved {before} -> {after}: {line}"

    def _sigterm(self, running):
        self._random.choice(running).send_signal(signal.SIGTERM)
        codes = self._end(running)
        if any(codes):
            raise Failure(f"SIGTERM should save and end with 0, not {codes}: {self._said()}")
        return codes, self._line("stopped at step")

    def _sigkill(self, running):
        victim = self._random.randrange(len(running))
        running[victim].kill()
        codes = self._end(running)
        others = [code for i, code in enumerate(codes) if i != victim]
        if any(code != 1 for code in others):
            raise Failure(f"processes that lost another one should end with 1, not {others}: {self._said()}")
        return codes, self._line("has lost another one") if others else ""

    def _full_disk(self, running):
        filler = self._workdir / "filler"
        try:
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while file.write(bytes(1 << 16)):
                    pass
            codes = self._end(running)
        finally:
            filler.unlink(missing_ok=True)
        if 2 not in codes or any(code not in (1, 2) for code in codes):
            raise Failure(f"a full disk should end with 2, not {codes}: {self._said()}")
        return codes, self._line("disk is full")

    def _vanished_file(self, running):
        away = self._folder / "away"
        shutil.move(self._images, away)
        try:
            codes = self._end(running)
        finally:
            shutil.move(away, self._images)
        if 2 not in codes or any(code not in (1, 2) for code in codes):
            raise Failure(f"images that vanished should end with 2, not {codes}: {self._said()}")
        return codes, self._line("cannot be read")

    def _damage(self, newest: int) -> str:
        """The newest checkpoint loses half of its largest file; the run must go on from the one before."""
        folder = self._workdir / "checkpoints" / str(newest)
        if sum(path.name.isdigit() for path in folder.parent.glob("*")) < 2:  # others are unfinished
            return "no two checkpoints yet"
        largest = max((p for p in (folder / "state").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        running = self.start(self._workdir)
        self._wait_until_it_trains(running)
        running[0].send_signal(signal.SIGTERM)
        codes = self._end(running)
        if any(codes):
            raise Failure(f"after a damaged checkpoint: {codes}: {self._said()}")
        return self._line(f"checkpoint {newest} is damaged") + ", " + self._line("resuming at step")

    def _wait_until_it_trains(self, running) -> None:
        path, deadline = self._workdir / "metrics.jsonl", time.monotonic() + _START_SECONDS
        size = path.stat().st_size if path.exists() else 0
        while not path.exists() or path.stat().st_size == size:
            if any(process.poll() is not None for process in running):
                raise Failure(f"it ended by itself: {self._said()}")
            if time.monotonic() > deadline:
                raise Failure(f"it does not train: {self._said()}")
            if path.exists() and path.stat().st_size < size:  # the lines after the checkpoint were cut off
                size = path.stat().st_size
            time.sleep(0.02)

    def _end(self, running, seconds: float = _END_SECONDS) -> list[int]:
        try:
            return [process.wait(seconds) for process in running]
        except subprocess.TimeoutExpired:
            raise Failure(f"it does not end: {self._said()}") from None

    def _log(self, number: int) -> Path:
        return self._folder / f"process_{number}.log"

    def _said(self) -> str:
        return "\n".join(self._log(i).read_text(errors="replace")[-3000:] for i in range(self._processes))

    def _line(self, words: str) -> str:
        """The line that holds these words."""
        for line in self._said().replace("\r", "\n").splitlines():
            if words in line:
                return line.strip()[:160]
        raise Failure(f"nobody said {words!r}: {self._said()}")

    def choose(self, left: list[str]) -> str:
        """The next fault: each kind before any comes again."""
        if not left:
            left += self._faults
            self._random.shuffle(left)
        return left.pop()


def write_images(folder: Path) -> None:
    """300 images in three classes."""
    rng = np.random.default_rng(0)
    for i in range(300):
        path = folder / "abc"[i % 3] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)


def end_state(workdir: Path, steps: int) -> dict:
    """Checksums of the arrays of the last checkpoint."""
    return json.loads((workdir / "checkpoints" / str(steps) / "meta" / "metadata").read_text())["checksums"]


@contextlib.contextmanager
def small_disk(folder: Path):
    """A mounted tmpfs of 24 MB, or None where this may not be done."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    try:
        yield folder if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="minutes of faults, before it trains to its end")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    parser.add_argument("--workdir", type=Path, help="an empty folder on a small file system of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk") as mounted:
        folder, place = Path(name), arguments.workdir or mounted
        if place is None:
            print("no small file system: the full disk is left out", flush=True)
        workdir = (place or folder) / "run"
        options = (arguments.processes, arguments.steps, bool(place), arguments.seed, tuple(arguments.faults))
        soak = Soak(folder, workdir, *options)
        left, count = [], 0
        until = time.monotonic() + 60 * arguments.minutes
        try:
            while time.monotonic() < until and soak.saved(workdir) < arguments.steps:
                kind = soak.choose(left)
                print(f"{time.strftime('%H:%M:%S')} {kind}: {soak.disturb(kind)}", flush=True)
                count += 1
            last = soak.saved(workdir)
            print(f"{time.strftime('%H:%M:%S')} {count} faults. Training continues from step {last}", flush=True)
            soak.finish(workdir)
            soak.finish(folder / "untouched")
        except Failure as failure:
            print(f"FAILED: {failure}", flush=True)
            return 1
        finally:
            soak.kill()
        found, expected = (end_state(run, arguments.steps) for run in (workdir, folder / "untouched"))
        logs = [(run / "metrics.jsonl").read_bytes() for run in (workdir, folder / "untouched")]
        if found != expected or logs[0] != logs[1]:
            print("FAILED: the end is not that of the run that nobody touched", flush=True)
            return 1
    print(f"after {count} faults: the same end, to the bit, and the same metrics.jsonl", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
