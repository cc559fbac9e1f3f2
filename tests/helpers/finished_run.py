"""A finished run and its caches, written by jaxgen's own writers around a state of a few numbers."""

import json
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from jaxgen.data import cache
from jaxgen.data.base import Dataset, Split
from jaxgen.devices import parallel
from jaxgen.evaluation import latent_samplers
from jaxgen.evaluation.samplers import mixture
from jaxgen.files import provenance, sessions, workdir
from jaxgen.files.logs import MetricsFile
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.frechet import FeatureStatistics
from jaxgen.recipes.base import Player
from jaxgen.settings.configuration import to_dict
from jaxgen.study.definition import Entry, PlannedRun, StudyPlan
from jaxgen.study.study_file import DONE, StudyFile
from jaxgen.training import alarms, run
from jaxgen.training.checkpoint import Checkpoints

STEPS, EVERY = 20, 5
SECONDS = dict.fromkeys(("compile", "step", "data", "evaluation", "samples", "checkpoint"), 1.5)
METADATA = {"extractor": "tiny", "feature_size": 3, "n": 6}
SAMPLER = {"latent_sampler": "normal", "step": STEPS}
RUN = "runs/a/0"


def state_at(step: int) -> parallel.TrainState:
    mesh = parallel.make_mesh(1)
    params = {"w": np.arange(8, dtype=np.float32) * (step + 1) / 7}
    players = parallel.replicate(mesh, {"g": Player(params, {}, {})})
    key = jax.jit(lambda: jax.random.key(3), out_shardings=jax.tree.leaves(players)[0].sharding)()
    return parallel.TrainState(parallel.replicate(mesh, np.int32(step)), key, players)


def plan(config) -> StudyPlan:
    """The study of the one run."""
    planned = PlannedRun("a", (0,), RUN, ("--config", "a.py"), config)
    return StudyPlan(
        "tiny", "Tiny", "tiny.py", "seeds", "", 1, (), (Entry("a", "A", "a.py", {}, (0,), {}, (planned,)),)
    )


def decoded(folder: Path, build) -> Dataset:
    """A decoded set of the cache in `folder`, whose only source is this module."""
    from ml_collections import ConfigDict

    config = ConfigDict({"name": "tiny", "cache_dir": str(folder)})
    return cache.cached(config, [__file__], __file__, build, Dataset, Split)


def built() -> Dataset:
    split = Split(np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1), np.array([0, 1], np.int32))
    return Dataset("tiny", {"train": split}, ("a", "b"), {"sha256": {"train": cache.content_hash(*split)}})


def write(top: Path, config) -> None:
    """A study with one run in `top/study`, and caches in `top/cache`.

    Args:
      config: of the run; 20 steps, a line of metrics.jsonl after each five, ranked by `psnr`.
    """
    folder = top / "study" / RUN
    folder.mkdir(parents=True)
    facts = {**provenance.software(), "device": {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1}}
    facts |= {"seeds": [0], "example_shape": [8, 8, 1], "num_classes": 10, "data": {"sha256": {"train": "ab" * 32}}}
    workdir.bind(folder, config, facts)
    sessions.begin(folder, 0, facts, to_dict(config))
    metrics = MetricsFile(folder / "metrics.jsonl", 0, seed=0)
    for step in range(EVERY, STEPS + 1, EVERY):
        metrics.write(step, {"loss_g": 1 / step, "loss_d": 0.5, "psnr": 9.0 + step})
    metrics.close()
    event = {"alarm": "divergence", "step": 10, "since": 5, "value": 9.0, "latest": 9.0, "threshold": 5.0}
    watch = alarms.Watch(config.alarms, {"events": [{**event, "message": "divergence at step 10", "ended": 15}]})
    watch.record(folder, STEPS)
    checkpoints = Checkpoints(folder / "checkpoints", 2, "psnr", "higher")
    for step in (10, STEPS):
        meta = {"window": {"loss": [1 / 3]}, "alarms": watch.state(), "seconds": SECONDS, "flops_per_step": 1e6}
        checkpoints.save(step, state_at(step), meta, {"psnr": 9.0 + step})
    checkpoints.close()
    timing = {**run.speed_of(config, SECONDS, 1e6, STEPS), "host_peak_memory_mb": 100.0, "device_peak_memory_mb": None}
    workdir.write_atomic(folder / "timing.json", json.dumps(timing, indent=1))
    record = {"value": 20.5, "spread": 0.5, "spread_kind": "jackknife", "n_real": 16, "n_fake": 16, "view": "sample"}
    record |= {"direction": "higher", "metric": "psnr", "extractor": None, "split": "digits:test", "seconds": 0.5}
    about = {"config": to_dict(config), "step": STEPS, "parameters": {"g": 8}, "timing": timing, **facts}
    evaluation = {"psnr": record, "_skipped": {"ssim": "no pairs"}, "_run": {**about, "alarms": watch.events}}
    workdir.write_atomic(folder / "evaluation.json", json.dumps(evaluation, indent=1))
    workdir.write_atomic(folder / "baselines.json", json.dumps({"copy": {"_title": "Copy", "psnr": record}}))
    workdir.write_atomic(folder / "failure.json", json.dumps({"kind": "not_finite", "seed": 0, "message": "nan"}))
    workdir.write_atomic(folder / "log.txt", "2026-11-22 13:13:25,665 INFO compiling 5 steps for 1 device(s) ...\n")
    facts = {**SAMPLER, "components": 1}
    sampler = mixture.Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None], facts)
    latent_samplers.save(sampler, folder / "latent_samplers" / "normal.npz")
    (folder / "samples").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "samples" / "step_0000020.png")
    features = np.arange(18, dtype=np.float32).reshape(6, 3) % 7
    (folder / "evaluation").mkdir()
    np.savez(folder / "evaluation" / "features.npz", real=features, fake=features + 1, extractor="tiny")
    study = StudyFile(top / "study", plan(config))
    study.of(plan(config).runs()[0]).update(status=DONE, attempts=1, exit_code=0, seconds=9.0)
    study.write()
    statistics_file.save(top / "cache" / "statistics.npz", FeatureStatistics.of(features), METADATA)
    statistics_file.save_features(top / "cache" / "features.npz", features, METADATA)
    decoded(top / "cache", built)
