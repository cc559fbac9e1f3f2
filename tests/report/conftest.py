"""Work directories made by hand: small, and with whatever is to be found planted in them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxgen.settings import configuration

PICTURE = Image.fromarray(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48))


def _record(value, **changes):
    return {
        "value": value,
        "spread": 0.1,
        "spread_kind": "jackknife standard deviation over draws of samples",
        "n_real": 5000,
        "n_fake": 5000,
        "direction": "lower",
        "metric": "fid",
        "view": "sample",
        "extractor": "efficientnet_lite0",
        "resize": "bilinear",
        "split": "mnist:test",
        "seconds": 1.0,
        **changes,
    }


def _config(seed, steps, changes):
    from jaxgen.settings import default

    config = default.get_config()
    config.update_from_flattened_dict({"data.name": "mnist", "seed": seed, "steps": steps, **changes})
    return configuration.to_dict(config)


def _make(folder, fd=None, *, seed=0, steps=3000, step=None, changes=(), records=(), alarms=(), log="", **more):
    """A work directory; fd: its Frechet distance, None: not evaluated.

    more: facts, timing, pictures, lines, evaluated (the step of evaluation.json).
    """
    folder.mkdir(parents=True)
    step = steps if step is None else step
    config = _config(seed, steps, dict(changes))
    facts = {"commit": "c" * 40, "jaxgen": "0.1.0", "packages": {"jax": "0.10.2"}, "machine": "x86_64, 2 cores"}
    facts |= {"device": {"kind": "cpu", "count": 1}, "example_shape": [28, 28, 1], "parameters": {"g": 1000, "d": 24}}
    facts |= {"data": {"sha256": {"test": "ab" * 32}}, **more.get("facts", {})}
    timing = {"compile_seconds": 10.0, "step_seconds": 90.0, "step_ms": 30.0, "images_per_s": 2000.0}
    timing |= {"host_peak_memory_mb": 500.0, "device_peak_memory_mb": None, "flops_per_step": 1e9}
    timing |= more.get("timing", {})
    (folder / "config.json").write_text(json.dumps({"config": config, **facts}))
    (folder / "timing.json").write_text(json.dumps(timing))
    (folder / "alarms.json").write_text(json.dumps({"step": step, "events": list(alarms)}))
    lines = [{"step": s, "seed": seed, "loss_g": 1.0 + 1 / s, "loss_d": 0.5} for s in range(100, step + 1, 100)]
    lines += more.get("lines", [])
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "checkpoints" / str(step)).mkdir(parents=True)
    (folder / "log.txt").write_text(f"2026-11-22 13:13:25,665 INFO compiling 10 steps for 1 device(s) ...\n{log}")
    results = dict(records) if fd is None else {"fd_efficientnet_lite0": _record(fd), **dict(records)}
    if results:
        run = {"config": config, "step": more.get("evaluated", step), "timing": timing, "alarms": list(alarms), **facts}
        (folder / "evaluation.json").write_text(json.dumps({**results, "_skipped": {}, "_run": run}))
    if more.get("pictures", True):
        (folder / "samples").mkdir()
        PICTURE.save(folder / "samples" / f"step_{step:07d}.png")
    return folder


@pytest.fixture(scope="session")
def run():
    """`run.make(folder, fd, seed=...)` writes a work directory, `run.record(value, ...)` is one of its numbers."""
    return SimpleNamespace(make=_make, record=_record)
