"""A run that another version continues goes on, and says so."""

import json

import pytest

from jaxgen.commands import train
from jaxgen.files.provenance import software
from jaxgen.runs import session


@pytest.mark.full
def test_a_run_continued_by_another_version_says_so_and_keeps_both(tiny_config, tmp_path, monkeypatch, capsys):
    config = tiny_config()
    config.steps = 10
    config.evaluation.pictures = False
    train.train(config, tmp_path)
    newer = {**software(), "packages": {**software()["packages"], "jax": "99.0.0"}}
    monkeypatch.setattr(session, "software", lambda: newer)
    before = json.loads((tmp_path / "config.json").read_text())
    assert [entry["from_step"] for entry in before["sessions"]] == [0]
    config.steps = 20
    capsys.readouterr()
    train.train(config, tmp_path)
    old = before["packages"]["jax"]
    assert f"changes since its session before: jax {old} there, 99.0.0 now" in capsys.readouterr().err
    after = json.loads((tmp_path / "config.json").read_text())
    assert f"jax {old} there, 99.0.0 now" in (tmp_path / "log.txt").read_text()
    assert [(entry["from_step"], entry["packages"]["jax"]) for entry in after["sessions"]] == [(0, old), (10, "99.0.0")]
    assert after["packages"] == before["packages"]
