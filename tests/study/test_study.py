"""Studies of real runs: trained, killed at random moments, reported."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

from jaxgen.files import workdir

STUDY = """
from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.seeds = {seeds}
    study.evaluation.pictures = False
    study.evaluation.metrics, study.evaluation.allow_few_samples = ("psnr", "active_units"), True
    study.steps = {steps}
    study.log_every = study.checkpoint_every = 10
    study.sample_every = study.histogram_every = 0
    for name, width in {entries}:
        entry = default_study.add(study, name, "tiny", name.upper())
        entry.recipe.name, entry.model.name, entry.model.batch_norm = "vae", "conv_vae", False
        entry.model.width = width
    return study
"""


@pytest.fixture
def start(tmp_path, write_tiny, start_process):
    """`start(folder, seeds=..., ...)`: a process that does a study of tiny runs."""
    write_tiny(tmp_path / "tiny.py", "config.num_devices = 1")

    def run(folder, **values):
        (tmp_path / "study_tiny.py").write_text(STUDY.format(**values))
        arguments = ("-m", "jaxgen.main", "--config", tmp_path / "study_tiny.py", "--workdir", folder)
        return start_process(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run


@pytest.mark.full
def test_a_study_trains_and_reports(start, tmp_path):
    folder = tmp_path / "study"
    process = start(folder, seeds=(4,), steps=20, entries=[("vae", 8)])
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    assert json.loads((folder / "study.json").read_text())["entries"][0]["status"] == "done"
    assert json.loads((folder / "runs" / "vae" / "seed_4" / "evaluation.json").read_text())["_run"]["step"] == 20
    assert "VAE" in (folder / "report" / "index.html").read_text()
    assert "active units" in table(folder).lower()


def table(folder) -> str:
    """The report's numbers that a run's speed has no part in."""
    text = (folder / "report" / "report.md").read_text()
    return re.search(r"### Effectiveness\n(.*?)\n### ", text, re.DOTALL)[1]


@pytest.mark.slow
def test_killed_five_times_at_random_moments_ends_with_the_same_tables(start, tmp_path):
    size = {"seeds": (0, 1), "steps": 300, "entries": [("narrow", 4)]}
    whole, killed, moments = tmp_path / "whole" / "study", tmp_path / "killed" / "study", random.Random(1)
    process = start(whole, **size)
    begun = time.monotonic()
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    usual = time.monotonic() - begun
    under_way = 0
    for _ in range(5):
        process = start(killed, **size)
        time.sleep(moments.uniform(0.05, 0.5) * usual)
        under_way += process.poll() is None
        process.kill()
        process.communicate()
        for run in killed.glob("runs/*/*"):
            if (holder := workdir.holder(run)) and moments.random() < 0.7:
                os.kill(int(holder), signal.SIGKILL)  # else it saves and ends by itself
    assert under_way >= 3  # or nothing was killed
    _, err = (process := start(killed, **size)).communicate(timeout=600)
    assert process.returncode == 0, err
    assert table(killed) == table(whole)
    assert "narrow" in table(whole).lower()
    for run in whole.glob("runs/*/*"):
        other = killed / run.relative_to(whole)
        assert (other / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()
