"""Part "resumes": a run that is killed and resumed ends with the bits of a run that was not.

Checkpoints also move between the CPU and the accelerator.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tools.accelerator_check.record import Options, Record

ROOT = Path(__file__).parents[2]
# Sums in an order that is the same in every run. XLA's default may add with atomics, in any order.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
STEPS, EVERY = 200, 10
_CONFIG = f"""
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.image_size = SIDE
    config.model.width = WIDTH
    config.batch_size = 32
    config.steps = {STEPS}
    config.steps_per_dispatch = 5
    config.log_every = config.checkpoint_every = {EVERY}
    config.sample_every = {STEPS // 2}
    config.report = False
    config.evaluation.metrics = ("psnr",)  # a GAN has none: nothing is evaluated
    config.evaluation.num_samples = config.evaluation.batch_size = 16
    config.evaluation.allow_few_samples = True
    return config
"""


def measure(options: Options, record: Record) -> None:
    """Bits of killed runs, with and without deterministic operations. Moves of checkpoints. The price."""
    out = Path(options.out) / "resumes"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    side, width = (8, 8) if options.tiny else (16, 64)
    (out / "config.py").write_text(_CONFIG.replace("SIDE", str(side)).replace("WIDTH", str(width)))
    cpu = {"JAX_PLATFORMS": "cpu"}
    # They take turns on the card as they like: their numbers are no times.
    with ThreadPoolExecutor(4) as pool:
        rows = [
            pool.submit(killed_equals_whole, out, "deterministic", DETERMINISTIC, judged=True),
            pool.submit(move, out, "of the CPU on the accelerator", cpu, {}),
            pool.submit(move, out, "of the accelerator on the CPU", {}, cpu),
        ]
        if not options.tiny:
            rows.append(pool.submit(killed_equals_whole, out, "XLA's default", "", judged=False))
        for row in rows:
            record.row(**row.result())
    price(out, options, record)


def killed_equals_whole(out: Path, name: str, flags: str, *, judged: bool) -> dict[str, Any]:
    """The row of a kill: arrays of the last checkpoint that differ between a whole run and one that was killed."""
    variables = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}
    whole, killed = out / f"whole {name}", out / f"killed {name}"
    _train(out, whole, STEPS, variables)
    process = _start(out, killed, STEPS, variables)
    while process.poll() is None and not (killed / "checkpoints" / str(3 * EVERY)).exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    row = {"what": f"arrays that differ after a kill, {name}", "value": None, "bound": 0.0 if judged else None}
    if process.wait() == 0:
        return {**row, "why": "it ended before the kill"}
    said = _train(out, killed, STEPS, variables)
    sums = [checksums(folder) for folder in (whole, killed)]
    differ = [leaf for leaf in sums[0] if sums[0][leaf] != sums[1].get(leaf)]
    if "resuming at step" not in said:
        return {**row, "why": "it began anew"}
    return {**row, "value": float(len(differ)), "arrays": len(sums[0]), "first": differ[:3], "flags": flags}


def checksums(folder: Path) -> dict[str, str]:
    """The checksums of every array of the last checkpoint."""
    path = folder / "checkpoints" / str(STEPS) / "meta" / "metadata"
    return json.loads(path.read_text())["checksums"]


def move(out: Path, what: str, first: dict[str, str], then: dict[str, str]) -> dict[str, Any]:
    """The row of a move: half of a run in one place, the rest in another. Restored arrays have their checksums tested.

    first, then: variables of the environment in each place.
    """
    folder = out / f"moved {what}"
    half = STEPS // 2
    _train(out, folder, half, first)
    said = _train(out, folder, STEPS, then)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    finite = all(np.isfinite([value for value in line.values() if isinstance(value, float)]).all() for line in lines)
    good = f"resuming at step {half}" in said and lines[-1]["step"] == STEPS and finite
    return {"what": f"a checkpoint {what} goes on", "value": 0.0 if good else 1.0, "unit": "failures", "bound": 0.0}


def price(out: Path, options: Options, record: Record) -> None:
    """How much longer a step takes with deterministic operations."""
    images = np.random.default_rng(0).integers(0, 256, (512, 32, 32, 3), dtype=np.uint8)
    np.save(out / "images.npy", images)
    name = "dcgan_cifar" if options.tiny else "sngan_cifar"
    command = [f"--config={name}", "--mode=benchmark", "--config.steps_per_dispatch=1"]
    command += ["--config.data.name=array", f"--config.data.dir={out / 'images.npy'}"]
    command += ["--config.evaluation.allow_few_samples=True", f"--seconds={1 if options.tiny else 4}"]
    if options.tiny:
        command += ["--config.model.width=8", "--config.batch_size=8"]
    step = {}
    for flags in ("", DETERMINISTIC):
        done = _finished(_process(command, {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}))
        # Messages of the same command may follow the numbers here, since both streams are read together.
        numbers = next(line for line in reversed(done.splitlines()) if line.startswith("{"))
        step[flags] = json.loads(numbers)["step_ms"]
    ratio = step[DETERMINISTIC] / step[""]
    record.row(f"step time of {name}, deterministic operations", ratio, "of XLA's default", None, step_ms=step)


def _train(out: Path, folder: Path, steps: int, variables: dict[str, str]) -> str:
    return _finished(_start(out, folder, steps, variables))


def _start(out: Path, folder: Path, steps: int, variables: dict[str, str]) -> subprocess.Popen:
    arguments = [f"--config={out / 'config.py'}", f"--workdir={folder}", f"--config.steps={steps}"]
    return _process(arguments, variables)


def _process(arguments: list[str], variables: dict[str, str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "jaxgen.main", *arguments]
    environment = {**os.environ, **variables}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **options)


def _finished(process: subprocess.Popen) -> str:
    said, _ = process.communicate()
    print(said, flush=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(process.args)}: exit code {process.returncode}")
    return said
