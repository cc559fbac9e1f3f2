"""Part "learns": SN-GAN on real images for as long as there is time, with the curve of its Frechet distance."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.accelerator_check.record import Options, Record

ROOT = Path(__file__).parents[2]
METRIC = "fd_efficientnet_lite0"
_CONFIG = """
from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_cifar")
    config.data.update({{"name": "folder", "dir": {images!r}, "image_size": 32, "channels": 3}})
    config.steps = 50_000
    config.steps_per_dispatch = {dispatch}
    config.log_every = {dispatch}
    config.checkpoint_every = config.eval_every = config.sample_every = {every}
    config.evaluation.metrics = config.evaluation.metrics_in_training = ({metric!r},)
    config.evaluation.num_samples = config.evaluation.num_samples_in_training = {samples}
    config.evaluation.allow_few_samples = True
    config.report = config.evaluation.pictures = False
    config.model.update({model!r})
    config.batch_size = {batch}
    return config
"""
_FULL = {"dispatch": 50, "every": 500, "samples": 2048, "batch": 64, "model": {}}
_TINY = {"dispatch": 2, "every": 4, "samples": 32, "batch": 8, "model": {"width": 8, "discriminator_width": 8}}
# What is left to stop the run, in seconds.
_TO_STOP = 8.0


def measure(options: Options, record: Record) -> None:
    """The speed of the whole run, and a row for each evaluation. The last distance must be below the first."""
    if options.images is None:
        record.row("SN-GAN's Frechet distance", None, "", None, why="--images was not given")
        return
    out = Path(options.out)
    config = out / "learns_config.py"
    config.write_text(_CONFIG.format(images=options.images, metric=METRIC, **(_TINY if options.tiny else _FULL)))
    workdir = out / "learns"
    shutil.rmtree(workdir, ignore_errors=True)
    command = [sys.executable, "-m", "jaxgen.main", f"--config={config}", f"--workdir={workdir}"]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    enough = 2 if options.tiny else 10**9
    while process.poll() is None and options.left() > _TO_STOP and len(curve(workdir)) < enough:
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    seconds, points = time.monotonic() - started, curve(workdir)
    record.row("SN-GAN's steps in the time that was left", float(last_step(workdir)), "steps", None, seconds=seconds)
    for step, value in points:
        record.row(f"{METRIC} after {step} steps", value)
    if len(points) > 1 and not options.tiny:
        record.row(f"{METRIC}, last by first", points[-1][1] / points[0][1], "of the first", 1.0)
    try:
        process.wait(_TO_STOP)
    except subprocess.TimeoutExpired:  # it is saving: nobody needs this checkpoint
        process.kill()
        process.wait()


def _lines(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    whole = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in whole if line.endswith("\n")]


def curve(workdir: Path) -> list[tuple[int, float]]:
    """(step, distance) of every evaluation so far."""
    return [(line["step"], line[METRIC]) for line in _lines(workdir) if METRIC in line]


def last_step(workdir: Path) -> int:
    """The last step of the log."""
    return max((line["step"] for line in _lines(workdir)), default=0)
