"""Studies of real runs: trained, one of them failing, killed at random moments, reported."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

from jaxgen.training import workdir

STUDY = """
from configs import default_study


def get_config():
    study = default_study.get_config()
    study.seeds = {seeds}
    study.evaluation.pictures = False
    study.evaluation.metrics = ("psnr", "class_histogram")
    study.steps = {steps}
    study.log_every = study.checkpoint_every = 10
    for name, width in {entries}:
        entry = default_study.add(study, name, "tiny", name.upper())
        entry.recipe.name, entry.model.name, entry.model.batch_norm = "vae", "conv_vae", False
        entry.model.width = width
{changes}    return study
"""


@pytest.fixture
def start(tmp_path, write_tiny, start_process):
    """`start(folder, seeds=..., ...)`: a process that does a study of tiny runs."""
    write_tiny(tmp_path / "tiny.py", "config.num_devices = 1")

    def run(folder, changes="", **values):
        (tmp_path / "study_tiny.py").write_text(STUDY.format(changes=changes, **values))
        arguments = ("-m", "jaxgen.main", "--config", tmp_path / "study_tiny.py", "--workdir", folder)
        return start_process(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run


def test_a_study_trains_reports_and_names_what_failed(start, tmp_path):
    folder = tmp_path / "study"
    changes = "    study.entries.odd.data.image_size = 9\n"
    process = start(folder, changes, seeds=(4,), steps=20, entries=[("vae", 8), ("odd", 8)])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    last = err.strip().splitlines()[-1]
    assert last.startswith("jaxgen: error: 1 of 2 runs failed: odd seed 4: data.image_size")
    vae, odd = json.loads((folder / "study.json").read_text())["entries"]
    assert (vae["status"], odd["status"], odd["runs"][0]["exit_code"]) == ("done", "failed", 2)
    assert json.loads((folder / "runs" / "vae" / "seed_4" / "evaluation.json").read_text())["_run"]["step"] == 20
    page = (folder / "report" / "index.html").read_text()
    assert "VAE" in page
    assert "ODD" in page
    assert "data.image_size" in page


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
